/// The one error of Apus: a stable status number and what a person needs to find the cause.
public struct ApusError: Error, @unchecked Sendable {
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

  /// One pointer wide, so that a `try` costs a register and not a copy of all the parts: it halves the library.
  private var storage: Storage

  private final class Storage {
    var status: Status
    var message: String
    var file: String
    var operatorName: String
    var tensorName: String
    var expected: String
    var actual: String
    var fileOffset: UInt64?

    init(
      _ status: Status, _ message: String, _ file: String, _ operatorName: String, _ tensorName: String, _ expected: String,
      _ actual: String, _ fileOffset: UInt64?
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
  }

  @inline(never)
  public init(
    _ status: Status, _ message: String, file: String = "", operatorName: String = "", tensorName: String = "",
    expected: String = "", actual: String = "", fileOffset: UInt64? = nil
  ) {
    storage = Storage(status, message, file, operatorName, tensorName, expected, actual, fileOffset)
  }

  /// Makes the parts this value's own, before one of them is set.
  @inline(never)
  private mutating func detach() {
    storage = Storage(
      storage.status, storage.message, storage.file, storage.operatorName, storage.tensorName, storage.expected,
      storage.actual, storage.fileOffset)
  }

  public var status: Status { storage.status }

  /// One sentence that says what is wrong, without the parts below.
  public var message: String {
    get { storage.message }
    set {
      detach()
      storage.message = newValue
    }
  }

  /// The file it is about; empty where none is.
  public var file: String {
    get { storage.file }
    set {
      detach()
      storage.file = newValue
    }
  }

  /// `name (domain.Operator-version)` of the node; empty where none is.
  public var operatorName: String {
    get { storage.operatorName }
    set {
      detach()
      storage.operatorName = newValue
    }
  }

  /// The tensor, input or output; empty where none is.
  public var tensorName: String {
    get { storage.tensorName }
    set {
      detach()
      storage.tensorName = newValue
    }
  }

  public var expected: String {
    get { storage.expected }
    set {
      detach()
      storage.expected = newValue
    }
  }

  public var actual: String {
    get { storage.actual }
    set {
      detach()
      storage.actual = newValue
    }
  }

  /// Byte offset in the file, or in the raw graph section where the message says so.
  public var fileOffset: UInt64? {
    get { storage.fileOffset }
    set {
      detach()
      storage.fileOffset = newValue
    }
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
