/// The one error of Apus: a stable status number and what a person needs to find the cause.
public struct ApusError: Error, Sendable {
  /// Status numbers of the C ABI (include/apus.h), grouped in ranges.
  public enum Status: Int32, Sendable {
    // Arguments
    case invalidArgument = 100
    case nullPointer = 101
    case structSize = 102
    case unknownName = 103
    case indexOutOfRange = 104
    case typeMismatch = 105
    case shapeMismatch = 106
    case bufferTooSmall = 107
    // State
    case notPrepared = 200
    case busy = 201
    case cancelled = 202
    case deadlineExceeded = 203
    case notBound = 204
    // Resources
    case outOfMemory = 300
    case limitExceeded = 301
    case inputOutput = 302
    case fileNotFound = 303
    case threadCreation = 304
    // File
    case notApusFile = 400
    case unsupportedVersion = 401
    case unsupportedFeature = 402
    case truncated = 403
    case checksumMismatch = 404
    case malformed = 405
    case decompression = 406
    // Model
    case invalidModel = 500
    case unsupportedOperator = 501
    case unsupportedType = 502
    case invalidAttribute = 503
    case shapeInference = 504
    case unsupported = 505
    // Run
    case valueOutOfRange = 600
    case selfTestFailed = 601
    // Apus itself
    case `internal` = 900
  }

  public var status: Status
  /// One sentence that says what is wrong, without the parts below.
  public var message: String
  /// The file it is about; empty where none is.
  public var file: String = ""
  /// `name (domain.Operator-version)` of the node; empty where none is.
  public var operatorName: String = ""
  /// The tensor, input or output; empty where none is.
  public var tensorName: String = ""
  public var expected: String = ""
  public var actual: String = ""
  /// Byte offset in the file, or in the raw graph section where the message says so.
  public var fileOffset: UInt64? = nil

  public init(
    _ status: Status, _ message: String, file: String = "", operatorName: String = "", tensorName: String = "",
    expected: String = "", actual: String = "", fileOffset: UInt64? = nil
  ) {
    self.status = status
    self.message = message
    self.file = file
    self.operatorName = operatorName
    self.tensorName = tensorName
    self.expected = expected
    self.actual = actual
    self.fileOffset = fileOffset
  }

  /// The same error with the file filled in where it was not known below.
  public func inFile(_ path: String) -> ApusError {
    var error = self
    if error.file.utf8.isEmpty { error.file = path }
    return error
  }

  /// The same error with the operator filled in where it was not known below.
  public func inOperator(_ name: String) -> ApusError {
    var error = self
    if error.operatorName.utf8.isEmpty { error.operatorName = name }
    return error
  }
}

extension ApusError: CustomStringConvertible {
  /// Everything known, on one line: `file: operator: tensor: message (expected ..., got ..., at byte ...)`.
  public var description: String {
    var text = ""
    if !file.utf8.isEmpty { text += file + ": " }
    if !operatorName.utf8.isEmpty { text += "operator " + operatorName + ": " }
    if !tensorName.utf8.isEmpty { text += "tensor '" + tensorName + "': " }
    text += message
    var details = ""
    if !expected.utf8.isEmpty { details += "expected " + expected }
    if !actual.utf8.isEmpty {
      if !details.utf8.isEmpty { details += ", " }
      details += "got " + actual
    }
    if let fileOffset {
      if !details.utf8.isEmpty { details += ", " }
      details += "at byte \(fileOffset)"
    }
    if !details.utf8.isEmpty { text += " (" + details + ")" }
    return text
  }
}
