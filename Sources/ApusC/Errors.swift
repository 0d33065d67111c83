import ApusGraph
public import CApus

/// Runs the body of a function of the C interface: what it throws becomes the status and fills `error`.
func call(_ error: UnsafeMutablePointer<apus_error>?, _ body: () throws(ApusError) -> Void) -> Int32 {
  do throws(ApusError) {
    try body()
    if let error { clear(error) }
    return APUS_OK
  } catch let failure {
    if let error { fill(error, failure) }
    return failure.status.rawValue
  }
}

/// The error for a pointer that may not be NULL.
func nullPointer(_ name: StaticString) -> ApusError {
  ApusError(.nullPointer, name.text + " is NULL")
}

/// `pointer`, or an error that says that `name` is NULL.
func require<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?, _ name: StaticString) throws(ApusError)
  -> UnsafeMutablePointer<Pointee>
{
  guard let pointer else { throw nullPointer(name) }
  return pointer
}

func require<Pointee>(_ pointer: UnsafePointer<Pointee>?, _ name: StaticString) throws(ApusError) -> UnsafePointer<Pointee> {
  guard let pointer else { throw nullPointer(name) }
  return pointer
}

private func clear(_ error: UnsafeMutablePointer<apus_error>) {
  error.pointee.status = APUS_OK
  error.pointee.reserved = 0
  error.pointee.file_offset = UInt64.max
  error.pointee.message.0 = 0
  error.pointee.file.0 = 0
  error.pointee.operator_name.0 = 0
  error.pointee.tensor_name.0 = 0
  error.pointee.expected.0 = 0
  error.pointee.actual.0 = 0
}

private func fill(_ error: UnsafeMutablePointer<apus_error>, _ failure: ApusError) {
  error.pointee.status = failure.status.rawValue
  error.pointee.reserved = 0
  error.pointee.file_offset = failure.fileOffset ?? UInt64.max
  withUnsafeMutableBytes(of: &error.pointee.message) { copyText(failure.message, to: $0) }
  withUnsafeMutableBytes(of: &error.pointee.file) { copyText(failure.file, to: $0) }
  withUnsafeMutableBytes(of: &error.pointee.operator_name) { copyText(failure.operatorName, to: $0) }
  withUnsafeMutableBytes(of: &error.pointee.tensor_name) { copyText(failure.tensorName, to: $0) }
  withUnsafeMutableBytes(of: &error.pointee.expected) { copyText(failure.expected, to: $0) }
  withUnsafeMutableBytes(of: &error.pointee.actual) { copyText(failure.actual, to: $0) }
}

/// Copies as much of `text` as fits with a NUL, cut between characters.
func copyText(_ text: String, to target: UnsafeMutableRawBufferPointer) {
  guard target.count > 0 else { return }
  var text = text
  text.withUTF8 { utf8 in
    var count = min(utf8.count, target.count - 1)
    if count < utf8.count {
      // Step back over continuation bytes, so that the cut does not split a character.
      while count > 0, utf8[count] & 0xC0 == 0x80 { count -= 1 }
    }
    for index in 0..<count { target[index] = utf8[index] }
    target[count] = 0
  }
}

/// The text of one of the fixed arrays; it need not end with a NUL.
private func text(_ bytes: UnsafeRawBufferPointer) -> String {
  String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

@c @implementation
public func apus_error_format(
  _ source: UnsafePointer<apus_error>?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: UInt64
) -> UInt64 {
  var line = ""
  if let source {
    let error = source.pointee
    line =
      ApusError(
        ApusError.Status(rawValue: error.status) ?? .internal,
        withUnsafeBytes(of: error.message) { text($0) },
        file: withUnsafeBytes(of: error.file) { text($0) },
        operatorName: withUnsafeBytes(of: error.operator_name) { text($0) },
        tensorName: withUnsafeBytes(of: error.tensor_name) { text($0) },
        expected: withUnsafeBytes(of: error.expected) { text($0) },
        actual: withUnsafeBytes(of: error.actual) { text($0) },
        fileOffset: error.file_offset == UInt64.max ? nil : error.file_offset
      ).description
  }
  if let buffer {
    copyText(line, to: UnsafeMutableRawBufferPointer(start: buffer, count: Int(clamping: capacity)))
  }
  return UInt64(line.utf8.count)
}

/// A literal as a C string that lives for ever.
func constantText(_ literal: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func apus_status_name(_ status: Int32) -> UnsafePointer<CChar>? {
  constantText(statusName(status))
}

private func statusName(_ status: Int32) -> StaticString {
  if status == APUS_OK { return "APUS_OK" }
  guard let known = ApusError.Status(rawValue: status) else { return "unknown status" }
  return switch known {
  case .invalidArgument: "APUS_ERROR_INVALID_ARGUMENT"
  case .nullPointer: "APUS_ERROR_NULL_POINTER"
  case .structSize: "APUS_ERROR_STRUCT_SIZE"
  case .unknownName: "APUS_ERROR_UNKNOWN_NAME"
  case .indexOutOfRange: "APUS_ERROR_INDEX_OUT_OF_RANGE"
  case .typeMismatch: "APUS_ERROR_TYPE_MISMATCH"
  case .shapeMismatch: "APUS_ERROR_SHAPE_MISMATCH"
  case .bufferTooSmall: "APUS_ERROR_BUFFER_TOO_SMALL"
  case .notPrepared: "APUS_ERROR_NOT_PREPARED"
  case .busy: "APUS_ERROR_BUSY"
  case .cancelled: "APUS_ERROR_CANCELLED"
  case .deadlineExceeded: "APUS_ERROR_DEADLINE_EXCEEDED"
  case .notBound: "APUS_ERROR_NOT_BOUND"
  case .outOfMemory: "APUS_ERROR_OUT_OF_MEMORY"
  case .limitExceeded: "APUS_ERROR_LIMIT_EXCEEDED"
  case .inputOutput: "APUS_ERROR_IO"
  case .fileNotFound: "APUS_ERROR_FILE_NOT_FOUND"
  case .threadCreation: "APUS_ERROR_THREAD_CREATION"
  case .notApusFile: "APUS_ERROR_NOT_APUS_FILE"
  case .unsupportedVersion: "APUS_ERROR_UNSUPPORTED_VERSION"
  case .unsupportedFeature: "APUS_ERROR_UNSUPPORTED_FEATURE"
  case .truncated: "APUS_ERROR_TRUNCATED"
  case .checksumMismatch: "APUS_ERROR_CHECKSUM_MISMATCH"
  case .malformed: "APUS_ERROR_MALFORMED"
  case .decompression: "APUS_ERROR_DECOMPRESSION"
  case .invalidModel: "APUS_ERROR_INVALID_MODEL"
  case .unsupportedOperator: "APUS_ERROR_UNSUPPORTED_OPERATOR"
  case .unsupportedType: "APUS_ERROR_UNSUPPORTED_TYPE"
  case .invalidAttribute: "APUS_ERROR_INVALID_ATTRIBUTE"
  case .shapeInference: "APUS_ERROR_SHAPE_INFERENCE"
  case .unsupported: "APUS_ERROR_UNSUPPORTED"
  case .valueOutOfRange: "APUS_ERROR_VALUE_OUT_OF_RANGE"
  case .selfTestFailed: "APUS_ERROR_SELF_TEST_FAILED"
  case .internal: "APUS_ERROR_INTERNAL"
  }
}
