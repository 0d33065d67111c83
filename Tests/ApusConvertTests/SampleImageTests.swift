import ApusGraph
import Foundation
import Testing

@testable import ApusConvert

/// The images were written, and resized, by Pillow 12.
@Suite struct SampleImageTests {
  private static let grey: [UInt8] = [0, 50, 100, 150, 200, 20, 70, 120, 170, 220, 40, 90, 140, 190, 240]
  private static let color: [UInt8] = [
    0, 0, 0, 60, 0, 0, 120, 0, 0, 180, 0, 0, 240, 0, 0, 0, 100, 0, 60, 100, 30, 120, 100, 60, 180, 100, 90, 240, 100, 120,
    0, 200, 0, 60, 200, 60, 120, 200, 120, 180, 200, 180, 240, 200, 240,
  ]

  private static let greyPNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAAAAAB+XZokAAAAFUlEQVR4nGNkMDIyMmISEREREYGQABBMAZYdll+pAAAAAElFTkSuQmCC
    """
  private static let greyAlphaPNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAQAAADxPw1zAAAAFUlEQVR4nGNk+G90DgKZRN7AIBITAPH1DwV0UHsGAAAAAElFTkSuQmCC
    """
  private static let grey16PNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADEAAAAAAuzUZnAAAAE0lEQVR4nGNkYDCCAiYROEBiAgA7HAMm7/W3UgAAAABJRU5ErkJggg==
    """
  private static let colorPNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAIAAADUVFKvAAAAG0lEQVR4nGNkYGCwQUIsDCkMDAxycATnQ1UAAEVoAwxPIJknAAAAAElFTkSuQmCC
    """
  private static let colorAlphaPNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAYAAABbNsX4AAAAIElEQVR4nGNkYGBgsGFgMELGLAwpDCIMDHIoGEnQBo4Bkj4EnMCDmi0AAAAASUVORK5CYI\
    I=
    """
  private static let palettePNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADBAMAAACpGNjLAAAALVBMVEXwyPC0yLR4yHjwZHi0ZFp4ZDw8yDwAyAA8ZB4AZADwAAC0AAB4AAA8AAAAAACUaM\
    0kAAAAFUlEQVR4nGN8e+8qy+o9d1junb0PAC0UB3d4dFQlAAAAAElFTkSuQmCC
    """
  private static let bitPNG = """
    iVBORw0KGgoAAAANSUhEUgAAAAUAAAADAQAAAABzTfhVAAAADklEQVR4nGOQYFJgYgAAAOoAPeOOUrgAAAAASUVORK5CYII=
    """

  private func bytes(_ text: String) throws -> [UInt8] { Array(try #require(Data(base64Encoded: text))) }

  private func error(_ body: () throws -> Void) -> ApusError? {
    do { try body() } catch { return error as? ApusError }
    return nil
  }

  @Test(arguments: [
    (greyPNG, 1), (greyAlphaPNG, 1), (grey16PNG, 1), (colorPNG, 3), (colorAlphaPNG, 3), (palettePNG, 3),
  ])
  func pngOfEachKind(text: String, channels: Int) throws {
    let image = try SampleImage(bytes: try bytes(text))
    #expect(image.width == 5 && image.height == 3 && image.channels == channels)
    #expect(image.pixels == (channels == 1 ? Self.grey : Self.color))
  }

  @Test func pngOfOneBit() throws {
    let image = try SampleImage(bytes: try bytes(Self.bitPNG))
    #expect(image.pixels == Self.grey.map { $0 > 100 ? 255 : 0 })
  }

  private static let jpeg = """
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU\
    GBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAIABAD\
    ASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKB\
    kaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZ\
    mqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQF\
    BgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5\
    OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX\
    2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDy3wn+yp9z/Q//AB2vZvCf7Kn3P9D/APHaKK8bOeJ8z1/eHyPhtxjnHufve39bn//Z
    """
  private static let progressive = """
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU\
    GBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAIABAD\
    ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAb/xAAVAQEBAAAAAAAAAAAAAAAAAAAEBf/aAAwDAQACEAMQAAABlrMFI//EABYQAAMAAAAA\
    AAAAAAAAAAAAAAAEBv/aAAgBAQABBQJSVFJU/8QAGREAAQUAAAAAAAAAAAAAAAAAAAQFBiEi/9oACAEDAQE/AY28LK0f/8QAFxEBAAMAAAAAAAAA\
    AAAAAAAABAAFUv/aAAgBAgEBPwFlmnU//8QAFRABAQAAAAAAAAAAAAAAAAAAADL/2gAIAQEABj8ChD//xAAWEAADAAAAAAAAAAAAAAAAAAAAMcH/\
    2gAIAQEAAT8hTAmD/9oADAMBAAIAAwAAABAL/8QAFxEAAwEAAAAAAAAAAAAAAAAAADGR8P/aAAgBAwEBPxCbzP/EABURAQEAAAAAAAAAAAAAAAAA\
    AAAh/9oACAECAQE/ELz/xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAE/EBjP/9k=
    """
  private static let greyJPEG = """
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU\
    GBIUFRT/wAALCAAIABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG\
    E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJ\
    ipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APLfCf7Kn3P9\
    D/8AHa9m8J/sqfc/0P8A8dr/2Q==
    """
  private static let inks = """
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhc\
    ZWdj/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAE\
    EQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6\
    g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkA\
    SwAAPwDm9E/hqv8A8Id/0z/SivQK9A0T+Gj/AIQ7/pn+lFFf/9k=
    """

  @Test(arguments: [(jpeg, 3), (progressive, 3), (greyJPEG, 1)])
  func jpegOfEachKind(text: String, channels: Int) throws {
    let image = try SampleImage(bytes: try bytes(text))
    #expect(image.width == 16 && image.height == 8 && image.channels == channels)
    let first = channels == 3 ? [0, 5, 116, 6, 6, 118, 26, 6, 121, 41, 7, 120] : [15, 19, 25, 30]
    // Decoders may differ in the last bit of the cosine transform.
    for (value, expected) in zip(image.pixels, first) { #expect(abs(Int(value) - expected) <= 2) }
    let sum = image.pixels.reduce(0) { $0 + Int($1) }
    #expect(abs(sum - (channels == 3 ? 46194 : 14896)) <= image.pixels.count)
  }

  @Test func damagedImagesAreRefused() throws {
    #expect(error { _ = try SampleImage(bytes: try bytes(Self.inks)) }?.status == .unsupportedFeature)
    #expect(error { _ = try SampleImage(bytes: Array("GIF89a".utf8)) }?.status == .malformed)
    for text in [Self.jpeg, Self.progressive, Self.colorPNG] {
      let whole = try bytes(text)
      for length in 0..<whole.count {
        // What is left out of the end may be nothing but the mark of the end.
        let error = error { _ = try SampleImage(bytes: Array(whole[..<length])) }
        #expect(error != nil || length > whole.count - 40, "\(length) of \(whole.count) bytes")
      }
      for position in whole.indices {
        for bit in 0..<8 {
          var changed = whole
          changed[position] ^= 1 << bit
          if let image = try? SampleImage(bytes: changed) {
            #expect(image.pixels.count == image.width * image.height * image.channels)
          }
        }
      }
    }
  }

  /// A size of 2^31 by 2^31 in a header of a few bytes takes no memory.
  @Test func hugeSizesAreRefused() throws {
    var netpbm = Array("P6 2147483647 2147483647 255 ".utf8)
    netpbm += [0, 0, 0]
    #expect(error { _ = try SampleImage(bytes: netpbm) } != nil)
    let wide = SampleImage(width: 4_000_000, height: 1, channels: 3, pixels: [UInt8](repeating: 0, count: 12_000_000))
    #expect(error { _ = try wide.resized(width: 400_000_000, height: 100) }?.status == .limitExceeded)
  }

  private static func noise(width: Int, height: Int) -> SampleImage {
    var state: UInt64 = 1
    let pixels = (0..<width * height * 3).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(state >> 56)
    }
    return SampleImage(width: width, height: height, channels: 3, pixels: pixels)
  }

  @Test(arguments: [
    (
      6, 4,
      [
        122, 105, 141, 77, 83, 130, 161, 150, 108, 157, 163, 103, 101, 152, 130, 143, 125, 102, 122, 118, 126, 84, 138, 110,
        150, 156, 138, 139, 129, 118, 104, 115, 110, 119, 142, 116, 83, 154, 127, 160, 158, 78, 132, 142, 127, 91, 85, 181,
        108, 160, 167, 118, 113, 143, 110, 129, 103, 143, 177, 139, 142, 140, 84, 124, 94, 98, 142, 131, 136, 105, 158, 149,
      ]
    ),
    (
      13, 5,
      [
        99, 100, 161, 159, 148, 129, 104, 33, 180, 27, 116, 129, 144, 111, 47, 176, 173, 121, 189, 133, 131, 164, 150, 109,
        155, 191, 88, 77, 155, 219, 55, 142, 67, 123, 190, 134, 213, 35, 49, 166, 153, 140, 108, 84, 93, 64, 95, 157, 21, 92,
        104, 129, 104, 162, 184, 195, 128, 160, 171, 167, 133, 135, 86, 154, 188, 36, 151, 72, 127, 54, 117, 73, 188, 166,
        168, 111, 132, 99, 100, 164, 177, 93, 110, 90, 117, 115, 82, 145, 221, 53, 115, 169, 117, 140, 167, 82, 188, 70, 222,
        115, 130, 152, 25, 73, 127, 146, 189, 147, 26, 105, 193, 83, 89, 59, 150, 181, 163, 49, 197, 123, 49, 133, 153, 193,
        114, 77, 197, 206, 51, 121, 160, 160, 69, 179, 111, 198, 32, 89, 45, 58, 188, 66, 81, 222, 135, 197, 138, 161, 201,
        155, 125, 86, 170, 133, 97, 122, 80, 95, 73, 139, 128, 111, 187, 191, 135, 110, 181, 170, 129, 163, 142, 147, 147,
        61, 217, 98, 39, 85, 92, 89, 133, 141, 121, 182, 72, 117, 131, 163, 157, 46, 222, 137, 131, 112, 155,
      ]
    ),
    (
      7, 9,
      [
        107, 150, 154, 106, 108, 168, 166, 112, 102, 189, 87, 188, 125, 193, 169, 65, 188, 130, 164, 97, 37, 152, 71, 155,
        80, 59, 129, 81, 163, 51, 178, 210, 46, 157, 143, 77, 83, 126, 136, 158, 124, 135, 88, 124, 82, 29, 57, 137, 151, 61,
        183, 129, 191, 138, 160, 191, 58, 137, 111, 89, 135, 141, 148, 187, 138, 165, 97, 171, 116, 101, 214, 125, 196, 106,
        195, 120, 84, 83, 92, 108, 112, 131, 164, 85, 61, 98, 102, 114, 143, 61, 117, 185, 65, 160, 103, 135, 64, 128, 120,
        56, 118, 155, 92, 132, 127, 96, 218, 160, 164, 152, 65, 181, 131, 127, 119, 120, 231, 59, 111, 235, 102, 172, 187,
        129, 110, 144, 41, 129, 129, 191, 129, 87, 96, 198, 111, 135, 46, 72, 97, 101, 198, 170, 210, 128, 144, 62, 144, 66,
        154, 92, 110, 202, 111, 89, 187, 148, 138, 69, 53, 41, 71, 118, 134, 89, 170, 105, 198, 153, 169, 86, 93, 180, 161,
        178, 170, 135, 106, 199, 151, 57, 209, 149, 93, 128, 177, 114, 79, 149, 144,
      ]
    ),
  ])
  func resizingIsPillows(width: Int, height: Int, expected: [Int]) throws {
    let image = try Self.noise(width: 13, height: 9).resized(width: width, height: height)
    #expect(image.width == width && image.height == height)
    #expect(image.pixels.map { Int($0) } == expected)
  }

  @Test func theMiddleIsWhereTorchvisionHasIt() {
    let image = SampleImage(width: 5, height: 4, channels: 1, pixels: (0..<20).map { UInt8($0) })
    #expect(image.middle(width: 2, height: 3).pixels == [2, 3, 7, 8, 12, 13])
    #expect(image.middle(width: 5, height: 1).pixels == [10, 11, 12, 13, 14])
  }

  @Test func aFolderOfImagesOfAnySizeAndColorFits() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(atPath: scratch.file("set"), withIntermediateDirectories: true)
    try scratch.write(try bytes(Self.jpeg), "set/a.jpg")
    try scratch.write(try bytes(Self.greyJPEG), "set/b.JPEG")
    try scratch.write(try bytes(Self.colorPNG), "set/c.png")
    let input: (name: Name, type: ValueType) = (
      "x", .tensor(TensorType(.float32, Shape([.unknown, .known(3), .known(4), .known(4)])))
    )
    let path = scratch.file("set")
    let refused = error { _ = try SampleSource(path, inputs: [input]).batch(from: 0, atMost: 3) }
    #expect(refused?.status == .shapeMismatch)
    #expect(refused?.message.contains("--resize") == true)
    for resizing: SampleOptions.Resizing in [.shorterSide(6), .stretched(width: 4, height: 4)] {
      var options = SampleOptions()
      options.resizing = resizing
      let batch = try SampleSource(path, inputs: [input], options: options).batch(from: 0, atMost: 3)
      #expect(batch.inputs[0].value.dimensions == [3, 3, 4, 4])
    }
    var options = SampleOptions()
    options.resizing = .shorterSide(0)
    #expect(error { _ = try SampleSource(path, inputs: [input], options: options) }?.status == .invalidArgument)
  }
}
