import ApusGraph
import ApusSafetensors

/// A binary image of Netpbm (https://netpbm.sourceforge.net/doc/pgm.html, ppm.html): P5, grey, or P6, red green blue.
struct PortableImage {
  let width: Int
  let height: Int
  let channels: Int
  /// [height, width, channels], 255 is the brightest.
  let pixels: [UInt8]

  /// The most pixels that an image may have.
  private static let largest = 1 << 28

  init(path: String) throws(ApusError) {
    do throws(ApusError) {
      let file = try FileBytes(path: path)
      guard file.byteCount <= UInt64(Self.largest) * 6 else {
        throw ApusError(.limitExceeded, "the image is too large", actual: "\(file.byteCount) bytes")
      }
      try self.init(parsing: try file.read(at: 0, count: Int(file.byteCount)))
    } catch { throw error.inFile(path) }
  }

  init(parsing bytes: [UInt8]) throws(ApusError) {
    guard bytes.count > 2, bytes[0] == UInt8(ascii: "P"), bytes[1] == UInt8(ascii: "5") || bytes[1] == UInt8(ascii: "6") else {
      throw ApusError(.malformed, "this is no binary PGM or PPM image: it does not begin with P5 or P6", fileOffset: 0)
    }
    channels = bytes[1] == UInt8(ascii: "5") ? 1 : 3
    var position = 2
    width = try Self.number(bytes, &position)
    height = try Self.number(bytes, &position)
    let brightest = try Self.number(bytes, &position)
    guard (1...65_535).contains(brightest), width > 0, height > 0, let count = elementCount([height, width, channels]),
      count <= Self.largest
    else {
      throw ApusError(.malformed, "the image's size is out of range", actual: "\(width) x \(height), maximum \(brightest)")
    }
    // One white space ends the header.
    position += 1
    let width = brightest < 256 ? 1 : 2
    guard bytes.count - position >= count * width else {
      throw ApusError(
        .truncated, "the image ends too early", expected: "\(count * width) bytes of pixels",
        actual: "\(max(bytes.count - position, 0))")
    }
    if brightest == 255 {
      pixels = Array(bytes[position..<position + count])
      return
    }
    pixels = (0..<count).map { index in
      let place = position + index * width
      let value = width == 1 ? Int(bytes[place]) : Int(bytes[place]) << 8 | Int(bytes[place + 1])
      return UInt8((min(value, brightest) * 255 + brightest / 2) / brightest)
    }
  }

  /// A number of the header, after white space and comments.
  private static func number(_ bytes: [UInt8], _ position: inout Int) throws(ApusError) -> Int {
    while position < bytes.count, bytes[position] <= 0x20 || bytes[position] == UInt8(ascii: "#") {
      if bytes[position] == UInt8(ascii: "#") {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      } else {
        position += 1
      }
    }
    var value = 0
    let start = position
    while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]), value < 1 << 30 {
      value = value * 10 + Int(bytes[position] - UInt8(ascii: "0"))
      position += 1
    }
    guard position > start else {
      throw ApusError(.malformed, "the image's header lacks a number", fileOffset: UInt64(position))
    }
    return value
  }
}
