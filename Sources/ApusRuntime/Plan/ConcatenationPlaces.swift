import ApusGraph

/// Pixels of a float32 value in channels-last order.
struct SpacedPixels {
  let buffer: BufferID
  /// Elements from pixel to pixel.
  let stride: Int
}

extension PlanBuilder {
  /// Finds the results that their kernels can write where a Concat along the channels would copy them: by value id, the
  /// concatenation and the first channel there.
  ///
  /// Only where all operands come from kernels that leave channels-last results, so that the Concat stays in that layout.
  func concatenationPlaces() throws(ApusError) -> [(result: ValueID, channel: Int)?] {
    var places: [(result: ValueID, channel: Int)?] = Array(repeating: nil, count: program.graph.values.count)
    let writers = program.writers()
    let outputs = program.outputs
    for node in program.nodes where isStandard(node, "Concat") && node.node.inputs.count > 1 {
      let result = node.node.outputs[0]
      guard try elementType(result) == .float32, try extents(result).count == 4, !outputs.contains(result),
        case .int(let axis)? = node.node.attributes.first(where: { $0.name == "axis" })?.value, axis == 1 || axis == -3
      else { continue }
      var areChannelsLast = true
      for id in node.node.inputs {
        guard id >= 0, let writer = writers[Int(id)], writesChannelsLast(program.nodes[writer]) else {
          areChannelsLast = false
          break
        }
      }
      guard areChannelsLast else { continue }
      var channel = 0
      for id in node.node.inputs {
        let isTwice = node.node.inputs.count { $0 == id } > 1
        if let writer = writers[Int(id)], writesSpacedPixels(program.nodes[writer]), !isTwice, places[Int(id)] == nil,
          !outputs.contains(id)
        {
          places[Int(id)] = (result, channel)
        }
        channel += try extents(id)[1]
      }
    }
    return places
  }

  private func isStandard(_ node: ProgramNode, _ name: Name) -> Bool {
    node.node.domain == .onnx && node.node.operatorName == name
  }

  /// Kernels with a distance between the pixels of their result.
  private func writesSpacedPixels(_ node: ProgramNode) -> Bool {
    isStandard(node, "Conv") || isStandard(node, "AveragePool") || (isStandard(node, "MaxPool") && node.node.outputs.count == 1)
  }

  private func writesChannelsLast(_ node: ProgramNode) -> Bool {
    for name: Name in ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "Concat"] where isStandard(node, name) { return true }
    return false
  }
}
