import ApusGraph
import CPNG
import CTurboJPEG

extension SampleImage {
  /// A PNG image by libpng. 16 bits become 8, palettes their colors; transparency is dropped, as training pipelines do, not
  /// blended.
  init(png bytes: [UInt8]) throws(ApusError) {
    // libpng reads on, the second time, where it was pointed to the first time.
    self = try bytes.span.withUnsafeBytes { source throws(ApusError) in try Self.decoded(png: source) }
  }

  private static func decoded(png source: UnsafeRawBufferPointer) throws(ApusError) -> SampleImage {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    guard png_image_begin_read_from_memory(&image, source.baseAddress, source.count) != 0 else {
      throw ApusError(.malformed, "the PNG image can't be read: \(message(image))")
    }
    // Numbers of 16 bits without a stated gamma are finer ones of 8 bits, not linear light.
    image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    let alpha = image.format & UInt32(PNG_FORMAT_FLAG_ALPHA)
    let color = image.format & UInt32(PNG_FORMAT_FLAG_COLOR)
    let channels = color != 0 ? 3 : 1
    let stored = channels + (alpha != 0 ? 1 : 0)
    let (width, height) = (Int(image.width), Int(image.height))
    image.format = color | alpha
    var pixels = [UInt8](repeating: 0, count: try byteCount(width: width, height: height, channels: stored))
    guard png_image_finish_read(&image, nil, &pixels, Int32(width * stored), nil) != 0 else {
      throw ApusError(.malformed, "the PNG image is damaged: \(message(image))")
    }
    if alpha != 0 {
      for pixel in 0..<width * height {
        for channel in 0..<channels { pixels[pixel * channels + channel] = pixels[pixel * stored + channel] }
      }
      pixels.removeLast(width * height)
    }
    return SampleImage(width: width, height: height, channels: channels, pixels: pixels)
  }

  private static func message(_ image: png_image) -> String {
    withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// A JPEG image by libjpeg-turbo; the orientation that a camera noted is not applied.
  init(jpeg bytes: [UInt8]) throws(ApusError) {
    guard let decoder = tjInitDecompress() else { throw ApusError(.outOfMemory, "no decoder of JPEG images can be made") }
    defer { tjDestroy(decoder) }
    var (width, height, sampling, colors): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    let known = bytes.withUnsafeBufferPointer { source in
      tjDecompressHeader3(decoder, source.baseAddress, UInt(source.count), &width, &height, &sampling, &colors)
    }
    guard known == 0 else {
      throw ApusError(.malformed, "the JPEG image can't be read: \(String(cString: tjGetErrorStr2(decoder)))")
    }
    let isGrey = colors == Int32(TJCS_GRAY.rawValue)
    guard isGrey || colors == Int32(TJCS_YCbCr.rawValue) || colors == Int32(TJCS_RGB.rawValue) else {
      throw ApusError(.unsupportedFeature, "the JPEG image is of inks (CMYK)", expected: "grey, or red, green and blue")
    }
    let channels = isGrey ? 1 : 3
    var pixels = [UInt8](
      repeating: 0, count: try Self.byteCount(width: Int(width), height: Int(height), channels: channels))
    let status = bytes.withUnsafeBufferPointer { source in
      pixels.withUnsafeMutableBufferPointer { target in
        tjDecompress2(
          decoder, source.baseAddress, UInt(source.count), target.baseAddress, width, 0, height,
          Int32((isGrey ? TJPF_GRAY : TJPF_RGB).rawValue), TJFLAG_ACCURATEDCT)
      }
    }
    let complaint = status == 0 ? "" : String(cString: tjGetErrorStr2(decoder))
    // The one complaint that says nothing of the pixels, and is frequent in the wild: bytes between two parts.
    guard status == 0 || complaint.contains("extraneous bytes") else {
      throw ApusError(.malformed, "the JPEG image is damaged: \(complaint)")
    }
    self.init(width: Int(width), height: Int(height), channels: channels, pixels: pixels)
  }
}
