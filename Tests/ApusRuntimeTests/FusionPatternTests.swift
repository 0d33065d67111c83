import ApusGraph
import Testing

@testable import ApusRuntime

/// Operators that exporters write in parts: found where they are, left alone where they are not, with the same results.
@Suite struct FusionPatternTests {
  /// Builds parts of an operator over a value.
  private struct Parts {
    var builder = ModelBuilder()

    mutating func scalar(_ value: Float, _ dimensions: [Int] = []) -> ValueID { builder.constant([value], dimensions, "c") }

    mutating func op(_ name: Name, _ inputs: ValueID..., attributes: [Attribute] = []) -> ValueID {
      let schema = OperatorRegistry.core.schemas(domain: .onnx, name: name).last
      return builder.node(name, version: schema?.versions.last ?? 1, inputs, attributes)[0]
    }

    mutating func mean(_ x: ValueID, axes: [Int64] = [-1], keeps: Bool = true) -> ValueID {
      op("ReduceMean", x, builder.constant(axes, "axes"), attributes: [Attribute("keepdims", .int(keeps ? 1 : 0))])
    }
  }

  /// The operators that are left, after a check that they compute what the parts compute.
  private func operators(
    _ shape: [Int], range: ClosedRange<Float> = -4...4, build: (inout Parts, ValueID) -> ValueID
  ) throws -> [String] {
    var parts = Parts()
    let x = parts.builder.input("x", Shape(shape))
    parts.builder.output(build(&parts, x))
    var random = SeededGenerator(seed: 71)
    let input = TestTensor(random.floats(Reference.count(shape), in: range), shape)
    let fused = try runOnce(parts.builder.definition, [input])[0]
    let plain = try runOnce(parts.builder.definition, [input], optimizes: false)[0]
    #expect(fused.shape == plain.shape)
    for (a, b) in zip(fused.floats, plain.floats) { #expect(abs(a - b) <= 1e-5 + 1e-5 * abs(b)) }
    return try Model(definition: parts.builder.definition).program.nodes.map { $0.node.operatorName.string }
  }

  @Test(arguments: 0..<4) func layerNormalization(form: Int) throws {
    let found = try operators([3, 4, 8]) { parts, x in
      let s = parts.builder.constant((0..<8).map { 1 + Float($0) / 8 }, [8], "s")
      let b = parts.builder.constant((0..<8).map { Float($0) / 4 }, [8], "b")
      let mean = parts.mean(x, axes: [form == 1 ? 2 : -1])
      let d = parts.op("Sub", x, mean)
      let square = form == 1 ? parts.op("Mul", d, d) : parts.op("Pow", d, parts.scalar(2))
      let variance = parts.mean(square)
      let deviation = parts.op("Sqrt", parts.op("Add", variance, parts.scalar(1e-5)))
      if form == 3 {
        let factor = parts.op("Mul", parts.op("Reciprocal", deviation), s)
        return parts.op("Add", parts.op("Mul", x, factor), parts.op("Sub", b, parts.op("Mul", mean, factor)))
      }
      // An older exporter subtracts the mean twice.
      let again = form == 2 ? parts.op("Sub", x, mean) : d
      let normal = form == 1 ? parts.op("Mul", parts.op("Reciprocal", deviation), again) : parts.op("Div", again, deviation)
      return parts.op("Add", b, parts.op("Mul", s, normal))
    }
    #expect(found == ["LayerNormalization"])
  }

  @Test func rmsNormalization() throws {
    let found = try operators([5, 6]) { parts, x in
      let s = parts.builder.constant((0..<6).map { 1 + Float($0) }, [6], "s")
      let mean = parts.mean(parts.op("Pow", x, parts.scalar(2)))
      let inverse = parts.op("Reciprocal", parts.op("Sqrt", parts.op("Add", mean, parts.scalar(1e-6))))
      return parts.op("Mul", s, parts.op("Mul", x, inverse))
    }
    #expect(found == ["RMSNormalization"])
  }

  @Test(arguments: 0..<3) func gelu(form: Int) throws {
    let found = try operators([7, 9]) { parts, x in
      let half = parts.scalar(0.5)
      let erf = parts.op(
        "Erf", form == 1 ? parts.op("Mul", x, parts.scalar(0.7071068)) : parts.op("Div", x, parts.scalar(1.4142135)))
      let sum = parts.op("Add", erf, parts.scalar(1, [1]))
      switch form {
      case 0: return parts.op("Mul", parts.op("Mul", x, sum), half)
      case 1: return parts.op("Mul", parts.op("Mul", half, x), sum)
      default: return parts.op("Mul", parts.op("Mul", sum, half), x)
      }
    }
    #expect(found == ["Gelu"])
  }

  @Test(arguments: [false, true]) func geluOfTanh(isFactored: Bool) throws {
    let found = try operators([33]) { parts, x in
      let root = parts.scalar(0.7978845608)
      let inner: ValueID
      if isFactored {
        let square = parts.op("Mul", parts.op("Mul", parts.scalar(0.044715), x), x)
        inner = parts.op("Mul", parts.op("Mul", x, root), parts.op("Add", parts.scalar(1), square))
      } else {
        let cube = parts.op("Mul", parts.op("Pow", x, parts.scalar(3)), parts.scalar(0.044715))
        inner = parts.op("Mul", root, parts.op("Add", x, cube))
      }
      let sum = parts.op("Add", parts.op("Tanh", inner), parts.scalar(1))
      return parts.op("Mul", parts.op("Mul", x, parts.scalar(0.5)), sum)
    }
    #expect(found == ["Gelu"])
  }

  @Test(arguments: 0..<4) func hardSwish(form: Int) throws {
    let found = try operators([40]) { parts, x in
      if form == 3 {
        return parts.op(
          "Mul", parts.op("HardSigmoid", x, attributes: [Attribute("alpha", .float(1 / 6)), Attribute("beta", .float(0.5))]), x)
      }
      let clipped = parts.op("Clip", parts.op("Add", x, parts.scalar(3)), parts.scalar(0), parts.scalar(6))
      switch form {
      case 0: return parts.op("Div", parts.op("Mul", x, clipped), parts.scalar(6))
      case 1: return parts.op("Mul", x, parts.op("Div", clipped, parts.scalar(6)))
      default: return parts.op("Mul", parts.op("Mul", x, clipped), parts.scalar(1 / 6))
      }
    }
    #expect(found == ["HardSwish"])
  }

  @Test func swishAndItsKin() throws {
    #expect(try operators([20]) { parts, x in parts.op("Mul", x, parts.op("Sigmoid", x)) } == ["Swish"])
    #expect(
      try operators([20]) { parts, x in
        parts.op("Mul", parts.op("Sigmoid", parts.op("Mul", x, parts.scalar(1.702))), x)
      } == ["Swish"])
    #expect(try operators([20]) { parts, x in parts.op("Mul", parts.op("Tanh", parts.op("Softplus", x)), x) } == ["Mish"])
  }

  @Test func otherNumbersAreOtherOperators() throws {
    // Not the square root of 2, not one half of six, another value beside the sigmoid.
    let gelu = try operators([8]) { parts, x in
      let erf = parts.op("Erf", parts.op("Div", x, parts.scalar(1.5)))
      return parts.op("Mul", parts.op("Mul", x, parts.op("Add", erf, parts.scalar(1))), parts.scalar(0.5))
    }
    #expect(!gelu.contains("Gelu"))
    let swish = try operators([8]) { parts, x in parts.op("Mul", parts.op("Neg", x), parts.op("Sigmoid", x)) }
    #expect(!swish.contains("Swish"))
    let clipped = try operators([8]) { parts, x in
      let clip = parts.op("Clip", parts.op("Add", x, parts.scalar(3)), parts.scalar(0), parts.scalar(5))
      return parts.op("Div", parts.op("Mul", x, clip), parts.scalar(6))
    }
    #expect(!clipped.contains("HardSwish"))
  }

  @Test func valuesReadElsewhereStay() throws {
    var parts = Parts()
    let x = parts.builder.input("x", [12])
    let sigmoid = parts.op("Sigmoid", x)
    let product = parts.op("Mul", x, sigmoid)
    parts.builder.output(product, sigmoid)
    #expect(try Model(definition: parts.builder.definition).program.nodes.count == 2)
  }

  @Test func otherAxesAndShapesStay() throws {
    func normalization(_ axis: Int64, factor: [Int]) throws -> [String] {
      try operators([2, 4, 4]) { parts, x in
        let d = parts.op("Sub", x, parts.mean(x, axes: [axis]))
        let variance = parts.mean(parts.op("Pow", d, parts.scalar(2)), axes: [axis])
        let y = parts.op("Div", d, parts.op("Sqrt", parts.op("Add", variance, parts.scalar(1e-5))))
        let ones = Array(repeating: Float(2), count: Reference.count(factor))
        return parts.op(
          "Add", parts.op("Mul", y, parts.builder.constant(ones, factor, "s")), parts.builder.constant(ones, factor, "b"))
      }
    }
    #expect(try normalization(-1, factor: [4]) == ["LayerNormalization"])
    #expect(try !normalization(1, factor: [4]).contains("LayerNormalization"))
    // A factor for each row, and one that makes the result larger.
    #expect(try !normalization(-1, factor: [4, 1]).contains("LayerNormalization"))
    #expect(try !normalization(-1, factor: [3, 1, 1, 4]).contains("LayerNormalization"))
  }
}
