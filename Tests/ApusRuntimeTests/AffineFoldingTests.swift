import ApusGraph
import Testing

@testable import ApusRuntime

/// Maps of channels that move into convolutions, and those that do not.
@Suite struct AffineFoldingTests {
  private struct Network {
    var builder = ModelBuilder()
    var random = SeededGenerator(seed: 11)

    mutating func op(_ name: Name, _ inputs: [ValueID], _ attributes: [Attribute] = []) -> ValueID {
      let version = OperatorRegistry.core.schemas(domain: .onnx, name: name).last?.versions.last
      return builder.node(name, version: version ?? 1, inputs, attributes)[0]
    }

    mutating func constant(_ dimensions: [Int]) -> ValueID {
      builder.constant(random.floats(Reference.count(dimensions), in: 0.5...2), dimensions, "c")
    }

    mutating func convolution(_ x: ValueID, _ inputs: Int, _ outputs: Int, kernel: Int, pad: Int64, groups: Int = 1) -> ValueID {
      op(
        "Conv", [x, constant([outputs, inputs / groups, kernel, kernel])],
        [Attribute("pads", .ints([pad, pad, pad, pad])), Attribute("group", .int(Int64(groups)))])
    }
  }

  private func operators(_ build: (inout Network, ValueID) -> ValueID) throws -> [String] {
    var network = Network()
    let x = network.builder.input("x", [2, 4, 5, 5])
    network.builder.output(build(&network, x))
    let input = TestTensor(network.random.floats(200), [2, 4, 5, 5])
    let fused = try runOnce(network.builder.definition, [input])[0]
    let plain = try runOnce(network.builder.definition, [input], optimizes: false)[0]
    #expect(fused.shape == plain.shape)
    for (a, b) in zip(fused.floats, plain.floats) { #expect(abs(a - b) <= 1e-4 + 1e-5 * abs(b)) }
    return try Model(definition: network.builder.definition).program.nodes.map { $0.node.operatorName.string }
  }

  @Test func mapsBehindAConvolution() throws {
    let found = try operators { network, x in
      var y = network.convolution(x, 4, 6, kernel: 3, pad: 1)
      y = network.op("Mul", [network.constant([6, 1, 1]), y])
      y = network.op("Add", [y, network.constant([1])])
      y = network.op("Sub", [y, network.constant([1, 6, 1, 1])])
      return network.op("Div", [y, network.constant([])])
    }
    #expect(found == ["Conv"])
  }

  @Test(arguments: [1, 2, 4]) func mapsBeforeAConvolution(groups: Int) throws {
    let found = try operators { network, x in
      var y = network.op("Mul", [x, network.constant([1, 4, 1, 1])])
      y = network.op("Add", [network.constant([4, 1, 1]), y])
      return network.convolution(y, 4, 8, kernel: 3, pad: 0, groups: groups)
    }
    #expect(found == ["Conv"])
  }

  @Test func paddingKeepsShiftsOut() throws {
    let shifted = try operators { network, x in
      network.convolution(network.op("Add", [x, network.constant([4, 1, 1])]), 4, 4, kernel: 3, pad: 1)
    }
    #expect(shifted == ["Add", "Conv"])
    let scaled = try operators { network, x in
      network.convolution(network.op("Mul", [x, network.constant([4, 1, 1])]), 4, 4, kernel: 3, pad: 1)
    }
    #expect(scaled == ["Conv"])
  }

  @Test func neighboursBecomeOne() throws {
    let found = try operators { network, x in
      let y = network.op("Relu", [x])
      let scaled = network.op("Mul", [y, network.constant([1])])
      return network.op("Relu", [network.op("Add", [scaled, network.constant([4, 1, 1])])])
    }
    #expect(found == ["Relu", "BatchNormalization"])
  }

  @Test func mapsOfOtherAxesStay() throws {
    let found = try operators { network, x in
      network.op("Mul", [network.convolution(x, 4, 5, kernel: 3, pad: 1), network.constant([5])])
    }
    #expect(found == ["Conv", "Mul"])
    let quotient = try operators { network, x in
      network.op("Div", [network.constant([4, 1, 1]), network.op("Add", [network.op("Abs", [x]), network.constant([1])])])
    }
    #expect(quotient == ["Abs", "Add", "Div"])
  }

  @Test func zerosAroundTheImageMoveIntoTheConvolution() throws {
    func padded(_ pads: [Int64], value: Float?) throws -> [String] {
      try operators { network, x in
        var inputs = [x, network.builder.constant(pads)]
        if let value { inputs.append(network.builder.constant([value], [], "v")) }
        return network.convolution(network.op("Pad", inputs), pads[1] == 0 ? 4 : 5, 3, kernel: 3, pad: 1)
      }
    }
    #expect(try padded([0, 0, 1, 0, 0, 0, 2, 1], value: nil) == ["Conv"])
    #expect(try padded([0, 0, 0, 1, 0, 0, 1, 0], value: 0) == ["Conv"])
    #expect(try padded([0, 0, 0, 1, 0, 0, 1, 0], value: 1) == ["Pad", "Conv"])
    #expect(try padded([0, 1, 0, 1, 0, 0, 1, 0], value: 0) == ["Pad", "Conv"])
    #expect(try padded([0, 0, -1, 1, 0, 0, 1, 0], value: 0) == ["Pad", "Conv"])
  }
}
