import ApusGraph
import ApusSafetensors
import Foundation
import Testing

/// A file of `header` and `dataBytes` zero bytes.
private func file(_ header: String, dataBytes: Int = 0) -> [UInt8] {
  let text = Array(header.utf8)
  return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + [UInt8](repeating: 0, count: dataBytes)
}

@Suite struct SafetensorsTests {
  let tensors = [
    SafetensorsTensor(name: "b", elementType: .int8, dimensions: [3], bytes: [1, 2, 3]),
    SafetensorsTensor(name: "weights", floats: [1.5, -2, 3, .infinity, 0, 6], dimensions: [2, 3]),
    SafetensorsTensor(name: "scalar", elementType: .int64, dimensions: [], bytes: [7, 0, 0, 0, 0, 0, 0, 0]),
    SafetensorsTensor(name: "empty", elementType: .float32, dimensions: [0, 4], bytes: []),
    SafetensorsTensor(name: "é\n\"", elementType: .bool, dimensions: [1, 1], bytes: [1]),
  ]

  @Test func tensorsAndMetadataSurviveARoundTrip() throws {
    let bytes = try SafetensorsWriter.serialize(tensors, metadata: ["z": "last", "a": "{\"json\": [1]}"])
    let file = try SafetensorsFile(bytes: bytes)
    #expect(file.entries.count == tensors.count)
    #expect(file.metadata.map(\.key) == ["a", "z"])
    #expect(file.metadataValue("a") == "{\"json\": [1]}")
    #expect(file.metadataValue("b") == nil)
    for tensor in tensors {
      let entry = try #require(file.entry(named: tensor.name))
      #expect(entry.elementType == tensor.elementType)
      #expect(entry.dimensions == tensor.dimensions)
      #expect(try file.bytes(of: tensor.name) == tensor.bytes)
      #expect(entry.offset % UInt64(max(1, tensor.elementType.bitWidth / 8)) == 0)
    }
  }

  @Test func everyElementTypeOfTheFormatSurvivesARoundTrip() throws {
    for type in ElementType.allCases {
      let byteCount = type.byteCount(of: 6) ?? 0
      let tensor = SafetensorsTensor(
        name: "t", elementType: type, dimensions: [2, 3], bytes: (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 * 37) })
      guard let name = type.safetensorsName else {
        #expect(throws: ApusError.self) { _ = try SafetensorsWriter.serialize([tensor]) }
        continue
      }
      #expect(ElementType(safetensorsName: name) == type)
      let file = try SafetensorsFile(bytes: try SafetensorsWriter.serialize([tensor]))
      #expect(file.entries.first?.elementType == type)
      #expect(try file.bytes(of: "t") == tensor.bytes)
    }
  }

  @Test func theOrderOfTensorsAndMetadataDoesNotChangeTheBytes() throws {
    let one = try SafetensorsWriter.serialize(tensors, metadata: ["a": "1", "b": "2", "c": "3"])
    let two = try SafetensorsWriter.serialize(tensors.reversed(), metadata: ["c": "3", "b": "2", "a": "1"])
    #expect(one == two)
  }

  @Test func filesOnDiskAreReadAndWrittenAtomically() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("safetensors-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("checkpoint.safetensors").path
    try SafetensorsWriter.write(tensors, metadata: ["k": "v"], path: path)
    let file = try SafetensorsFile(path: path)
    for tensor in tensors { #expect(try file.bytes(of: tensor.name) == tensor.bytes) }
    var whole: [UInt8] = []
    try file.forEachPart(ofBytes: 7) { whole += $0 }
    #expect(whole == (try SafetensorsWriter.serialize(tensors, metadata: ["k": "v"])))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["checkpoint.safetensors"])
    do {
      let abandoned = try AtomicFile(path: path)
      try abandoned.append([1, 2, 3])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["checkpoint.safetensors"])
    #expect(try SafetensorsFile(path: path).entries.count == tensors.count)
  }

  @Test func aFileThatIsNotThereOrNoFileIsToldApart() {
    let missing = #expect(throws: ApusError.self) { _ = try SafetensorsFile(path: "/nonexistent/x.safetensors") }
    #expect(missing?.status == .fileNotFound)
    #expect(missing?.file == "/nonexistent/x.safetensors")
    let folder = #expect(throws: ApusError.self) { _ = try SafetensorsFile(path: "/tmp") }
    #expect(folder?.status == .inputOutput)
  }

  @Test func wrongTensorsAreNotWritten() {
    let short = SafetensorsTensor(name: "t", elementType: .float32, dimensions: [2], bytes: [0])
    #expect(throws: ApusError.self) { _ = try SafetensorsWriter.serialize([short]) }
    let twice = SafetensorsTensor(name: "t", floats: [1], dimensions: [1])
    #expect(throws: ApusError.self) { _ = try SafetensorsWriter.serialize([twice, twice]) }
    let reserved = SafetensorsTensor(name: "__metadata__", floats: [1], dimensions: [1])
    #expect(throws: ApusError.self) { _ = try SafetensorsWriter.serialize([reserved]) }
  }

  /// Header, bytes of data, status, part of the message.
  static let hostile: [(String, Int, ApusError.Status, String)] = [
    ("[]", 0, .malformed, "no JSON object"),
    ("{", 0, .malformed, "header is malformed"),
    (#"{"a":1}"#, 0, .malformed, "must be an object"),
    (#"{"a":{}}"#, 0, .malformed, "no dtype"),
    (#"{"a":{"dtype":"F31","shape":[],"data_offsets":[0,4]}}"#, 4, .unsupportedType, "dtype"),
    (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, .malformed, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, .malformed, "0 and more"),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, .malformed, "integers"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, 4, .malformed, "too many elements"),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, .malformed, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4, .malformed, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, .malformed, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, .malformed, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8, .malformed, "do not fit"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, .truncated, "end of the file"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, .malformed, "behind its last tensor"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, .malformed, "hole"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}"#, 4, .malformed, "unknown field"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
      .malformed, "overlap"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
      .malformed, "twice"
    ),
    (#"{"__metadata__":[]}"#, 0, .malformed, "__metadata__"),
    (#"{"__metadata__":{"a":1}}"#, 0, .malformed, "strings"),
    (#"{}"#, 1, .malformed, "behind its last tensor"),
  ]

  @Test(arguments: hostile.indices)
  func aHostileHeaderIsRefusedWithItsReason(_ index: Int) {
    let (header, dataBytes, status, message) = SafetensorsTests.hostile[index]
    let error = #expect(throws: ApusError.self) {
      _ = try SafetensorsFile(bytes: file(header, dataBytes: dataBytes), name: "hostile.safetensors")
    }
    #expect(error?.status == status)
    #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    #expect(error?.file == "hostile.safetensors")
  }

  @Test func headerLengthsAreCheckedBeforeTheyAreUsed() {
    for bytes: [UInt8] in [
      [], [1, 2, 3], [0, 0, 0, 0, 0, 0, 0, 0], [255, 255, 255, 255, 255, 255, 255, 255], [0, 0, 0, 0, 0, 0, 0, 128],
      [200, 0, 0, 0, 0, 0, 0, 0, 123, 125],
    ] {
      #expect(throws: ApusError.self) { _ = try SafetensorsFile(bytes: bytes) }
    }
  }

  @Test func everyCutAndEveryFlippedHeaderByteIsRefusedOrReadsWithinTheFile() throws {
    let whole = try SafetensorsWriter.serialize(tensors, metadata: ["k": "v"])
    for length in 0..<whole.count {
      #expect(throws: ApusError.self) { _ = try SafetensorsFile(bytes: Array(whole[..<length])) }
    }
    let headerEnd = whole.count - 36
    for index in 0..<headerEnd {
      for mask: UInt8 in [1, 2, 16, 128] {
        var bytes = whole
        bytes[index] ^= mask
        guard let file = try? SafetensorsFile(bytes: bytes) else { continue }
        for entry in file.entries { #expect(try file.bytes(of: entry).count == entry.byteCount) }
      }
    }
  }
}
