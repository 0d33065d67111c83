import Apus
import ApusGraph
import SwiftProtobuf

@testable import ApusConvert

private typealias O = ONNXModel

/// A network with what quantization has to deal with: a normalization to fold, grouped and depthwise convolutions, a residual
/// sum, pools, a concatenation, activations, and a product at its end.
struct SmallConvolutionNetwork {
  let seed: UInt64

  func values(_ count: Int, _ salt: UInt64, scale: Float = 1, shift: Float = 0) -> [Float] {
    RangeObserverTests.values(count, seed: seed &* 1000 &+ salt).map { $0 / 4 * scale + shift }
  }

  var bytes: [UInt8] {
    get throws {
      let nodes = [
        O.node("Conv", ["x", "w1"], ["c1"], [O.ints("pads", [1, 1, 1, 1])], name: "conv1"),
        O.node("BatchNormalization", ["c1", "gamma", "beta", "mean", "variance"], ["n1"]),
        O.node("Relu", ["n1"], ["r1"]),
        O.node("Conv", ["r1", "w2", "b2"], ["c2"], [O.ints("pads", [1, 1, 1, 1]), O.int("group", 8)], name: "depthwise"),
        O.node("Clip", ["c2", "zero", "six"], ["r2"]),
        O.node("Conv", ["r2", "w3", "b3"], ["c3"], [O.int("group", 2)], name: "grouped"),
        O.node("Add", ["c3", "r1"], ["sum"]),
        O.node("Relu", ["sum"], ["r3"]),
        O.node("MaxPool", ["r3"], ["p1"], [O.ints("kernel_shape", [2, 2]), O.ints("strides", [2, 2])]),
        O.node("Conv", ["p1", "w4", "b4"], ["c4"], name: "branch"),
        O.node("Sigmoid", ["c4"], ["gate"]),
        O.node("Mul", ["c4", "gate"], ["swish"]),
        O.node("Concat", ["p1", "swish"], ["both"], [O.int("axis", 1)]),
        O.node("GlobalAveragePool", ["both"], ["average"]),
        O.node("Flatten", ["average"], ["flat"]),
        O.node("Gemm", ["flat", "w5", "b5"], ["y"], [O.int("transB", 1)], name: "classifier"),
      ]
      let graph = O.graph(
        nodes, inputs: [O.input("x", [-1, 3, 8, 8])], outputs: ["y"],
        initializers: [
          O.floats("w1", [8, 3, 3, 3], values(216, 1)), O.floats("gamma", [8], values(8, 2, shift: 1)),
          O.floats("beta", [8], values(8, 3)), O.floats("mean", [8], values(8, 4)),
          O.floats("variance", [8], values(8, 5).map { abs($0) + 0.5 }), O.floats("w2", [8, 1, 3, 3], values(72, 6)),
          O.floats("b2", [8], values(8, 7, shift: 0.5)), O.floats("zero", [], [0]), O.floats("six", [], [6]),
          O.floats("w3", [8, 4, 1, 1], values(32, 8)), O.floats("b3", [8], values(8, 9)),
          O.floats("w4", [4, 8, 1, 1], values(32, 10)), O.floats("b4", [4], values(4, 11)),
          O.floats("w5", [10, 12], values(120, 12)), O.floats("b5", [10], values(10, 13)),
        ])
      return try O.model(graph).serializedBytes()
    }
  }

  /// Samples for the network: [count, 3, 8, 8].
  func samples(_ count: Int) -> NpyArray {
    let values = values(count * 192, 20, scale: 2)
    return NpyArray(elementType: .float32, dimensions: [count, 3, 8, 8], bytes: values.withUnsafeBytes { Array($0) })
  }

  /// Writes the model and its samples.
  func write(_ scratch: Scratch, samples count: Int = 24) throws -> (model: String, data: String) {
    try scratch.write(try bytes, "net.onnx")
    try samples(count).write(path: scratch.file("samples.npy"))
    return (scratch.file("net.onnx"), scratch.file("samples.npy"))
  }
}
