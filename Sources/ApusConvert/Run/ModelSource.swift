import Apus
import ApusFormat
import ApusFormatWriter
import ApusGraph

/// A file that a model can be made of, by the end of its name.
public enum SourceFormat: Sendable {
  /// A model file of Apus.
  case apus
  /// A checkpoint of ApusTraining.
  case checkpoint
  case onnx

  public init(path: String) throws(ApusError) {
    if path.hasSuffix(".apus") {
      self = .apus
    } else if path.hasSuffix(".safetensors") {
      self = .checkpoint
    } else if path.hasSuffix(".onnx") {
      self = .onnx
    } else {
      throw ApusError(
        .invalidArgument, "the file's name does not tell what it is", file: path,
        expected: "*.onnx, *.safetensors or *.apus")
    }
  }

  /// The end of such a file's name.
  public var suffix: String {
    switch self {
    case .apus: ".apus"
    case .checkpoint: ".safetensors"
    case .onnx: ".onnx"
    }
  }
}

extension ApusError.Status {
  /// Whether it says that the model is right but that this release lacks something for it.
  public var isUnsupported: Bool {
    switch self {
    case .unsupportedOperator, .unsupportedType, .unsupported, .unsupportedFeature, .unsupportedVersion: true
    default: false
    }
  }
}

extension Model {
  /// Loads a model file that is in memory.
  static func load(bytes: [UInt8], options: LoadOptions) throws(ApusError) -> Model {
    // The pointer stays valid for the call, which copies what it needs.
    try bytes.withUnsafeBufferPointer { (bytes) throws(ApusError) in
      try load(.copied(UnsafeRawBufferPointer(bytes)), options: options)
    }
  }
}

extension Model {
  /// The model of a file of any format that `SourceFormat` knows. What is no model file is converted in memory, through the
  /// bytes of a model file.
  /// - Throws: what converting and loading throw; the first problem of a model that can't be converted.
  public static func converting(_ path: String) throws(ApusError) -> Model {
    if case .apus = try SourceFormat(path: path) { return try load(.path(path), options: .full) }
    let conversion = Conversion()
    let source = try conversion.read(path)
    if let problem = source.problems.first { throw problem.error.inFile(path) }
    do {
      return try load(bytes: try conversion.encode(source), options: .full)
    } catch { throw error.inFile(path) }
  }
}
