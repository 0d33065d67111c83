import ApusGraph

extension Compiler {
  /// Moves a Pad with zeros of the spatial axes into the pads of the only Conv that reads it.
  func foldPads() throws(ApusError) {
    let writers = program.writers()
    let readers = program.readerCounts()
    var removed: [Int] = []
    for position in program.nodes.indices where isStandard(program.nodes[position], "Conv") {
      let input = program.nodes[position].node.inputs[0]
      guard readers[Int(input)] == 1, let writer = writers[Int(input)], isStandard(program.nodes[writer], "Pad"),
        program.nodes[writer].isPlain, let added = try zeroPads(program.nodes[writer])
      else { continue }
      let reader = try attributes(of: program.nodes[position])
      if let mode = reader.string("auto_pad"), mode != "NOTSET" { continue }
      let axes = added.count / 2 - 2
      let own = reader.ints("pads") ?? Array(repeating: 0, count: 2 * axes)
      guard axes >= 1, own.count == 2 * axes else { continue }
      var pads: [Int64] = []
      for (index, pad) in own.enumerated() {
        // Begins of the spatial axes, then ends; those of the Pad count the batch and the channels, too.
        let (sum, overflow) = pad.addingReportingOverflow(added[index + (index < axes ? 2 : 4)])
        guard !overflow else { break }
        pads.append(Int64(sum))
      }
      guard pads.count == own.count else { continue }
      program.nodes[position].node.attributes.removeAll { $0.name == "pads" }
      program.nodes[position].node.attributes.append(Attribute("pads", .ints(pads)))
      program.nodes[position].node.inputs[0] = program.nodes[writer].node.inputs[0]
      removed.append(writer)
    }
    remove(removed)
  }

  /// The amounts of a Pad that adds zeros around the spatial axes alone, none of them negative; else nil.
  private func zeroPads(_ node: ProgramNode) throws(ApusError) -> [Int]? {
    let inputs = node.node.inputs
    guard try attributes(of: node).string("mode").map({ $0 == "constant" }) ?? true, inputs.count >= 2,
      inputs.count < 4 || inputs[3] < 0, inputs.count < 3 || inputs[2] < 0 || scalar(inputs[2]) == 0,
      let pads = integers(inputs[1]), pads.count >= 6, pads.count % 2 == 0, pads.allSatisfy({ $0 >= 0 })
    else { return nil }
    let rank = pads.count / 2
    return pads[0] == 0 && pads[1] == 0 && pads[rank] == 0 && pads[rank + 1] == 0 ? pads : nil
  }
}
