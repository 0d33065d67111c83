import Apus
import ApusGraph
import ApusRuntime
import Crypto
import Foundation

/// Runs a model batch after batch in one session and measures the time of the runs alone.
final class BatchRunner {
  let model: Model
  private let session: Session
  /// Nanoseconds of all runs, without reading, preparing and copying.
  private(set) var time: UInt64 = 0
  private var hash = SHA256()

  /// SHA-256 of the outputs of all samples so far: batch after batch, output after output.
  var outputHash: [UInt8] { Array(hash.finalize()) }

  /// - Throws: `unsupported` for inputs and outputs that are no tensors of numbers.
  init(_ model: Model, pool: ThreadPool?) throws(ApusError) {
    self.model = model
    for port in model.inputs + model.outputs {
      guard case .tensor(let type) = port.type, type.elementType != .string else {
        throw ApusError(
          .unsupported, "an evaluation takes models of tensors of numbers", tensorName: port.name.string,
          actual: port.type.kindText)
      }
    }
    var options = SessionOptions()
    options.pool = pool
    session = try Session(model: model, options: options)
  }

  /// The outputs for a batch, in the model's order. States begin anew.
  func run(_ batch: SampleSource.Batch) throws(ApusError) -> [NpyArray] {
    let shapes = Dictionary(batch.inputs.map { ($0.name, $0.value.dimensions) }) { first, _ in first }
    guard let shapes = try model.definition.inputShapes(shapes) else {
      throw ApusError(.shapeMismatch, "the shape of a state's input is open")
    }
    if session.preparedShapes != shapes { try session.prepare(shapes) } else { try session.reset() }
    for (name, array) in batch.inputs {
      try session.inputBuffer(try model.inputIndex(name.string)).copyBytes(from: array.bytes)
    }
    let began = DispatchTime.now().uptimeNanoseconds
    try session.run()
    time += DispatchTime.now().uptimeNanoseconds - began
    var outputs: [NpyArray] = []
    for (index, port) in model.outputs.enumerated() {
      let output = NpyArray(
        elementType: port.elementType, dimensions: try session.outputShape(index),
        bytes: Array(try session.outputBuffer(index)))
      // What fills a fixed batch is no sample.
      let size = output.bytes.count / max(output.dimensions.first ?? 1, 1)
      hash.update(data: output.bytes.prefix(size * batch.range.count))
      outputs.append(output)
    }
    return outputs
  }
}
