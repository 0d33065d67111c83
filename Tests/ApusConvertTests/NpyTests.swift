import ApusConvert
import ApusGraph
import Foundation
import Testing

/// An .npy file with this header text, version and data.
private func npy(_ header: String, data: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
  let text = Array(header.utf8)
  let length =
    version == 1
    ? withUnsafeBytes(of: UInt16(text.count).littleEndian) { Array($0) }
    : withUnsafeBytes(of: UInt32(text.count).littleEndian) { Array($0) }
  return [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, version, 0] + length + text + data
}

@Suite struct NpyTests {
  @Test func everyTypeThatNumPyHasSurvivesARoundTrip() throws {
    for type in ElementType.allCases {
      for dimensions in [[], [0], [1], [3], [2, 3], [2, 0, 4], [2, 3, 4]] {
        let byteCount = type.byteCount(of: dimensions.reduce(1, *)) ?? 0
        let bytes = (0..<byteCount).map { type == .bool ? UInt8($0 % 2) : UInt8(truncatingIfNeeded: $0 * 37 + 1) }
        let array = NpyArray(elementType: type, dimensions: dimensions, bytes: bytes)
        switch type {
        case .string, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .uint4, .int4, .float4e2m1,
          .float8e8m0, .uint2, .int2:
          let error = #expect(throws: ApusError.self) { _ = try array.serialized() }
          #expect(error?.status == .unsupportedType)
        default:
          let file = try array.serialized()
          #expect(try NpyArray(parsing: file) == array)
          #expect((file.count - byteCount) % 64 == 0)
        }
      }
    }
  }

  @Test func aFileIsWhatNumPyWrites() throws {
    // numpy.save of numpy.array([[1, 2]], '<f4'), NumPy 1.26.
    let expected = npy(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }" + String(repeating: " ", count: 58) + "\n",
      data: [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
    let array = NpyArray(elementType: .float32, dimensions: [1, 2], bytes: [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
    #expect(try array.serialized() == expected)
    #expect(expected.count == 136)
  }

  @Test func bigEndianElementsAreTurnedAround() throws {
    let file = npy("{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }", data: [0, 0, 1, 2, 255, 255, 255, 254])
    let array = try NpyArray(parsing: file)
    #expect(array.bytes == [2, 1, 0, 0, 254, 255, 255, 255])
    let complex = npy("{'descr': '>c8', 'fortran_order': False, 'shape': (1,)}", data: [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(try NpyArray(parsing: complex).bytes == [4, 3, 2, 1, 8, 7, 6, 5])
  }

  @Test func fortranOrderIsConverted() throws {
    // Element (i, j, k) of [2, 3, 4] is 12 i + 4 j + k; a Fortran file stores i fastest.
    var data: [UInt8] = []
    for k in 0..<4 { for j in 0..<3 { for i in 0..<2 { data += [UInt8(12 * i + 4 * j + k), 0] } } }
    let file = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 4), }", data: data)
    #expect(try NpyArray(parsing: file).bytes == (0..<24).flatMap { [UInt8($0), 0] })
    let vector = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }", data: [1, 2, 3])
    #expect(try NpyArray(parsing: vector).bytes == [1, 2, 3])
  }

  @Test(arguments: [UInt8(1), 2, 3]) func everyVersionIsRead(_ version: UInt8) throws {
    let file = npy("{\"shape\": (2,), 'descr': '|i1', 'fortran_order': False}\n", data: [1, 255], version: version)
    #expect(try NpyArray(parsing: file) == NpyArray(elementType: .int8, dimensions: [2], bytes: [1, 255]))
  }

  @Test func theLargestRankIsWrittenAndRead() throws {
    let array = NpyArray(elementType: .uint8, dimensions: Array(repeating: 1, count: 64), bytes: [7])
    #expect(try NpyArray(parsing: array.serialized()) == array)
  }

  static let hostile: [([UInt8], ApusError.Status)] = [
    ([], .malformed),
    (Array("PK".utf8), .malformed),
    ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], .truncated),
    (npy("{}", version: 4), .unsupportedVersion),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", data: [0, 0, 0]), .truncated),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", data: [0, 0, 0, 0, 0]), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", data: [0, 0, 0, 0]), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9)}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (57646075230342348,)}"), .truncated),
    (npy("{'descr': '<f4', 'fortran_order': False}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}"), .malformed),
    (npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 'x'}"), .malformed),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x"), .malformed),
    (npy("{'descr': '<f4"), .malformed),
    (npy("{'descr': '<f3', 'fortran_order': False, 'shape': ()}"), .unsupportedType),
    (npy("{'descr': '|O', 'fortran_order': False, 'shape': ()}"), .unsupportedType),
    (npy("{'descr': '|f4', 'fortran_order': False, 'shape': ()}"), .unsupportedType),
    (npy("{'descr': '', 'fortran_order': False, 'shape': ()}"), .unsupportedType),
    (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}"), .malformed),
    (npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", data: [1, 2]), .malformed),
    (npy("[1]"), .malformed),
    (
      npy("{'descr': '|u1', 'fortran_order': False, 'shape': (" + String(repeating: "1,", count: 65) + ")}", data: [1]),
      .malformed
    ),
    ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 2, 0, 255, 255, 255, 255], .malformed),
    ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 255, 255, 1], .truncated),
  ]

  @Test(arguments: hostile.indices) func aHostileFileIsRefused(_ index: Int) {
    let (bytes, status) = NpyTests.hostile[index]
    let error = #expect(throws: ApusError.self) { _ = try NpyArray(parsing: bytes) }
    #expect(error?.status == status, "\(String(describing: error))")
  }

  @Test func everyCutAndFlippedByteIsRefusedOrGivesAWholeArray() throws {
    let whole = try NpyArray(elementType: .float32, dimensions: [2, 2], bytes: Array(1...16)).serialized()
    for length in 0..<whole.count {
      #expect(throws: ApusError.self) { _ = try NpyArray(parsing: Array(whole[..<length])) }
    }
    for index in whole.indices {
      for bit in 0..<8 {
        var bytes = whole
        bytes[index] ^= 1 << bit
        guard let array = try? NpyArray(parsing: bytes) else { continue }
        #expect(array.elementType.byteCount(of: elementCount(array.dimensions) ?? -1) == array.bytes.count)
      }
    }
  }

  @Test func errorsNameTheFile() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("npy-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("x.npy").path
    let missing = #expect(throws: ApusError.self) { _ = try NpyArray(path: path) }
    #expect(missing?.status == .fileNotFound)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    let malformed = #expect(throws: ApusError.self) { _ = try NpyArray(path: path) }
    #expect(malformed?.file == path)
    let array = NpyArray(elementType: .float32, dimensions: [1], bytes: [1, 2, 3, 4])
    try array.write(path: path)
    #expect(try NpyArray(path: path) == array)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.npy"])
  }
}
