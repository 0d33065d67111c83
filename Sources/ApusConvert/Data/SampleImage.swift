import ApusGraph
import ApusSafetensors

/// A decoded image of 8 bits a channel.
struct SampleImage {
  let width: Int
  let height: Int
  /// 1: grey; 3: red, green, blue.
  let channels: Int
  /// [height, width, channels], 255 is the brightest.
  var pixels: [UInt8]

  /// How names of files end that hold an image.
  static let suffixes = [".png", ".jpg", ".jpeg", ".ppm", ".pgm"]

  /// The most numbers (width * height * channels) that an image may have.
  static let mostSamples = 1 << 28

  /// Reads an image in PNG, JPEG or Netpbm's format, which its first bytes tell.
  init(path: String) throws(ApusError) {
    do throws(ApusError) {
      let file = try FileBytes(path: path)
      guard file.byteCount <= UInt64(Self.mostSamples) * 2 else {
        throw ApusError(.limitExceeded, "the image is too large", actual: "\(file.byteCount) bytes")
      }
      try self.init(bytes: try file.read(at: 0, count: Int(file.byteCount)))
    } catch { throw error.inFile(path) }
  }

  init(bytes: [UInt8]) throws(ApusError) {
    if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
      try self.init(png: bytes)
    } else if bytes.starts(with: [0xff, 0xd8]) {
      try self.init(jpeg: bytes)
    } else if bytes.starts(with: Array("P5".utf8)) || bytes.starts(with: Array("P6".utf8)) {
      try self.init(netpbm: bytes)
    } else {
      throw ApusError(
        .malformed, "this is no image that can be read", expected: "PNG, JPEG, or binary PGM (P5) or PPM (P6)", fileOffset: 0)
    }
  }

  init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    (self.width, self.height, self.channels, self.pixels) = (width, height, channels, pixels)
  }

  /// Checks a size that a header states before memory is taken for it.
  static func byteCount(width: Int, height: Int, channels: Int) throws(ApusError) -> Int {
    guard width > 0, height > 0, let count = elementCount([height, width, channels]), count <= mostSamples else {
      throw ApusError(.limitExceeded, "the image's size is out of range", actual: "\(width) x \(height)")
    }
    return count
  }

  /// The same picture in red, green and blue.
  var inColor: SampleImage {
    guard channels == 1 else { return self }
    var colored = [UInt8](repeating: 0, count: pixels.count * 3)
    for (index, value) in pixels.enumerated() { for channel in 0..<3 { colored[index * 3 + channel] = value } }
    return SampleImage(width: width, height: height, channels: 3, pixels: colored)
  }
}
