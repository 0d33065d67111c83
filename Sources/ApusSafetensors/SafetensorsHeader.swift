import ApusGraph

/// The checked header of a safetensors file.
struct SafetensorsHeader {
  static let metadataKey = "__metadata__"

  var metadata: [JSONMember] = []
  var entries: [SafetensorsEntry] = []

  init(reading source: FileBytes) throws(ApusError) {
    guard source.byteCount >= 8 else {
      throw ApusError(
        .truncated, "not a safetensors file: too short for a header length", expected: "8 bytes", actual: "\(source.byteCount)")
    }
    var length: UInt64 = 0
    for byte in try source.read(at: 0, count: 8).reversed() { length = length << 8 | UInt64(byte) }
    guard length <= UInt64(SafetensorsFile.maximumHeaderBytes) else {
      throw ApusError(
        .malformed, "not a safetensors file: its header length is too large",
        expected: "at most \(SafetensorsFile.maximumHeaderBytes)", actual: "\(length)", fileOffset: 0)
    }
    guard length <= source.byteCount - 8 else {
      throw ApusError(
        .truncated, "the safetensors file ends inside its header", expected: "\(length + 8) bytes", actual: "\(source.byteCount)")
    }
    let text = try source.read(at: 8, count: Int(length))
    guard text.first == UInt8(ascii: "{") else {
      throw ApusError(.malformed, "not a safetensors file: its header is no JSON object", fileOffset: 8)
    }
    let document: JSONValue
    do {
      document = try JSONValue(parsing: text)
    } catch {
      var error = error
      error.message = "the safetensors header is malformed: " + error.message
      if let offset = error.fileOffset { error.fileOffset = offset + 8 }
      throw error
    }
    guard case .object(let members) = document else {
      throw ApusError(.malformed, "the safetensors header is no JSON object", fileOffset: 8)
    }
    let dataStart = 8 + length
    let dataBytes = source.byteCount - dataStart
    for member in members {
      if member.key.utf8.elementsEqual(SafetensorsHeader.metadataKey.utf8) {
        metadata = try SafetensorsHeader.strings(member.value)
      } else {
        entries.append(try SafetensorsHeader.entry(member, dataStart: dataStart, dataBytes: dataBytes))
      }
    }
    try orderAndCheckCoverage(dataStart: dataStart, dataBytes: dataBytes)
  }

  private static func strings(_ value: JSONValue) throws(ApusError) -> [JSONMember] {
    guard let members = value.objectValue else {
      throw ApusError(.malformed, "__metadata__ must be an object", actual: value.kind)
    }
    for member in members where member.value.stringValue == nil {
      throw ApusError(.malformed, "__metadata__ must map to strings, at key \"\(member.key)\"", actual: member.value.kind)
    }
    return members
  }

  private static func entry(
    _ member: JSONMember, dataStart: UInt64, dataBytes: UInt64
  ) throws(ApusError) -> SafetensorsEntry {
    func error(_ message: String, expected: String = "", actual: String = "") -> ApusError {
      ApusError(.malformed, message, tensorName: member.key, expected: expected, actual: actual)
    }
    guard let fields = member.value.objectValue else {
      throw error("its header entry must be an object", actual: member.value.kind)
    }
    for field in fields where !["dtype", "shape", "data_offsets"].contains(field.key) {
      throw error("its header entry has the unknown field \"\(field.key)\"")
    }
    guard let typeName = member.value["dtype"]?.stringValue else { throw error("its header entry has no dtype") }
    guard let elementType = ElementType(safetensorsName: typeName) else {
      throw ApusError(
        .unsupportedType, "its dtype is unknown", tensorName: member.key, expected: "a dtype of safetensors", actual: typeName)
    }
    guard let shape = member.value["shape"]?.arrayValue else { throw error("its header entry has no shape") }
    var dimensions: [Int] = []
    for extent in shape {
      guard let value = extent.integerValue, value >= 0 else {
        throw error("its shape must hold integers of 0 and more", actual: extent.kind)
      }
      dimensions.append(Int(value))
    }
    guard let count = elementCount(dimensions), let byteCount = elementType.byteCount(of: count) else {
      throw error("its shape has too many elements", actual: Shape(dimensions).text(symbols: []))
    }
    guard let offsets = member.value["data_offsets"]?.arrayValue, offsets.count == 2,
      let begin = offsets[0].integerValue, let end = offsets[1].integerValue, begin >= 0, begin <= end
    else { throw error("its data_offsets must be two integers, the first not above the second") }
    guard UInt64(end) <= dataBytes else {
      throw ApusError(
        .truncated, "its bytes lie behind the end of the file", tensorName: member.key, expected: "\(end) bytes of data",
        actual: "\(dataBytes)")
    }
    guard end - begin == Int64(byteCount) else {
      throw error(
        "its data_offsets do not fit its dtype \(typeName) and shape \(Shape(dimensions).text(symbols: []))",
        expected: "\(byteCount) bytes", actual: "\(end - begin)")
    }
    return SafetensorsEntry(
      name: member.key, elementType: elementType, dimensions: dimensions, offset: dataStart + UInt64(begin), byteCount: byteCount)
  }

  /// Sorts the entries by place and checks that they cover the data: no overlap, no hole, nothing behind the last.
  private mutating func orderAndCheckCoverage(dataStart: UInt64, dataBytes: UInt64) throws(ApusError) {
    entries.sort {
      ($0.offset, $0.byteCount) != ($1.offset, $1.byteCount)
        ? ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) : Name($0.name) < Name($1.name)
    }
    var place = dataStart
    for entry in entries {
      guard entry.offset == place else {
        throw ApusError(
          .malformed,
          entry.offset < place ? "its bytes overlap another tensor's" : "there is a hole in the file before its bytes",
          tensorName: entry.name, expected: "data offset \(place - dataStart)", actual: "\(entry.offset - dataStart)")
      }
      place += UInt64(entry.byteCount)
    }
    guard place - dataStart == dataBytes else {
      throw ApusError(
        .malformed, "the file has bytes behind its last tensor", expected: "\(place - dataStart) bytes of data",
        actual: "\(dataBytes)")
    }
  }
}
