import ApusFormat
import ApusFormatWriter
import ApusGraph
import ApusSafetensors
import Crypto
import Foundation

/// Turns a checkpoint into a model file and proves that the file is right.
public struct Conversion: Sendable {
  /// How segments are stored, as the command line spells it.
  public enum Codec: String, CaseIterable, Sendable {
    /// For each segment the smallest; raw where compression saves less than 5 %.
    case auto
    case raw
    case zstd
    case zstdPlanes = "zstd-planes"

    var segmentCodec: WriterOptions.SegmentCodec {
      switch self {
      case .auto: .automatic
      case .raw: .raw
      case .zstd: .zstd
      case .zstdPlanes: .bytePlanesZstd
      }
    }
  }

  /// What a conversion is doing.
  public enum Stage: Sendable {
    case hashing(fraction: Double)
    case importing
    case writing
    case verifying(String)
  }

  public var codec: Codec = .auto
  public var testVectors = true

  /// Written into each file; with the source's hash it says where the model comes from.
  public static let producer = Name("modelconv " + version)
  /// Of this release.
  public static let version = "0.1.0"

  public init() {}

  /// Converts a checkpoint of ApusTraining.
  ///
  /// The file appears at `destination` only after it has been read back and verified: every checksum, the model id, and its
  /// test vectors through the runtime. On any failure nothing is left behind and what stood there stays. The same checkpoint
  /// and options give the same bytes.
  ///
  /// - Throws: what is wrong with the checkpoint, the model or the disk; `selfTestFailed` where the runtime does not reproduce
  ///   the test vectors.
  public func convert(
    _ source: String, to destination: String, progress: (Stage) -> Void = { _ in }
  ) throws(ApusError) -> ConversionReport {
    let checkpoint = try SafetensorsFile(path: source)
    let hash = try Self.hash(checkpoint, progress)
    progress(.importing)
    let imported = try CheckpointImporter(checkpoint).model(testVectors: testVectors)
    var definition = imported.definition
    definition.metadata.producer = Self.producer
    definition.metadata.sourceHash = hash
    let cost = try definition.smallestInputShapes().map { shapes throws(ApusError) in
      try ModelCost(definition, inputShapes: shapes) { id in definition.tensors[Int(id)].inlineBytes }
    }
    let needs = Needs(
      operators: definition.usedOperators(), flops: cost?.operations ?? 0, liveBytes: cost?.liveBytes ?? 0)

    progress(.writing)
    var options = WriterOptions()
    options.segmentCodec = codec.segmentCodec
    let temporary = destination + ".\(getpid()).unverified"
    defer { unlink(temporary) }
    let summary: ModelWriter.Summary
    do {
      summary = try ModelWriter(options: options).write(definition, needs: needs, to: temporary, data: imported.data)
    } catch {
      var error = error
      if error.file == temporary { error.file = destination }
      throw error.inFile(destination)
    }
    let verification = Verification(path: temporary) { progress(.verifying($0)) }
    if let failed = verification.checks.first(where: { !$0.passed }), var error = failed.error {
      error.file = source
      error.message = "the converted model fails its check '\(failed.name)': " + error.message
      throw error
    }
    guard rename(temporary, destination) == 0 else {
      throw ApusError(
        .inputOutput, "can't move the file into place: " + String(cString: strerror(errno)), file: destination)
    }
    return ConversionReport(
      source: source, sourceBytes: checkpoint.fileBytes, sourceHash: hash, destination: destination, summary: summary,
      definition: definition, parameters: cost?.parameters ?? 0, needs: needs, leftOut: imported.leftOut,
      leftOutBytes: imported.leftOutBytes, verification: verification)
  }

  private static func hash(_ file: SafetensorsFile, _ progress: (Stage) -> Void) throws(ApusError) -> [UInt8] {
    var hash = SHA256()
    var done: UInt64 = 0
    try file.forEachPart { part in
      hash.update(data: part)
      done += UInt64(part.count)
      progress(.hashing(fraction: Double(done) / Double(max(file.fileBytes, 1))))
    }
    return Array(hash.finalize())
  }
}

extension Optional {
  /// `map` whose typed error stays typed.
  fileprivate func map<Result>(
    _ transform: (Wrapped) throws(ApusError) -> Result
  ) throws(ApusError) -> Result? {
    guard let self else { return nil }
    return try transform(self)
  }
}
