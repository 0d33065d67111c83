import ApusGraph

/// Reads a binary image of Netpbm (https://netpbm.sourceforge.net/doc/pgm.html, ppm.html): P5, grey, or P6, red green blue.
extension SampleImage {
  init(netpbm bytes: [UInt8]) throws(ApusError) {
    guard bytes.count > 2, bytes[0] == UInt8(ascii: "P"), bytes[1] == UInt8(ascii: "5") || bytes[1] == UInt8(ascii: "6") else {
      throw ApusError(.malformed, "this is no binary PGM or PPM image: it does not begin with P5 or P6", fileOffset: 0)
    }
    let channels = bytes[1] == UInt8(ascii: "5") ? 1 : 3
    var position = 2
    let width = try Self.number(bytes, &position)
    let height = try Self.number(bytes, &position)
    let brightest = try Self.number(bytes, &position)
    guard (1...65_535).contains(brightest), width > 0, height > 0, let count = elementCount([height, width, channels]),
      count <= Self.mostSamples
    else {
      throw ApusError(.malformed, "the image's size is out of range", actual: "\(width) x \(height), maximum \(brightest)")
    }
    // One white space ends the header.
    position += 1
    let bytesEach = brightest < 256 ? 1 : 2
    guard bytes.count - position >= count * bytesEach else {
      throw ApusError(
        .truncated, "the image ends too early", expected: "\(count * bytesEach) bytes of pixels",
        actual: "\(max(bytes.count - position, 0))")
    }
    if brightest == 255 {
      self.init(width: width, height: height, channels: channels, pixels: Array(bytes[position..<position + count]))
      return
    }
    let pixels = (0..<count).map { index in
      let place = position + index * bytesEach
      let value = bytesEach == 1 ? Int(bytes[place]) : Int(bytes[place]) << 8 | Int(bytes[place + 1])
      return UInt8((min(value, brightest) * 255 + brightest / 2) / brightest)
    }
    self.init(width: width, height: height, channels: channels, pixels: pixels)
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
