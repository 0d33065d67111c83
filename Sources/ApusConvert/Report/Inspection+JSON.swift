import Apus
import ApusFormat
import ApusGraph
import ApusSafetensors

extension Inspection {
  /// The document that Sources/modelconv/JSON.md describes under `apus.inspect`.
  public var json: JSONValue {
    let definition = file.definition
    let metadata = definition.metadata
    var members: [JSONMember] = [
      JSONMember("format", "apus.inspect"), JSONMember("version", 1), JSONMember("file", .string(path)),
      JSONMember("bytes", JSONValue(file.header?.fileLength ?? 0)),
      JSONMember("format_version", .string("\(FileHeader.major).\(FileHeader.minor)")),
      JSONMember("model_id", .string(Quantity.hexadecimal(file.modelID))),
      JSONMember("name", .string(definition.graphs[0].name.string)),
      JSONMember("symbols", .array(definition.symbols.map(symbol))),
      JSONMember("inputs", .array(definition.calledGraph.inputs.map(value))),
      JSONMember("outputs", .array(definition.calledGraph.outputs.map(value))),
      JSONMember("states", .array(definition.signatures.flatMap(\.states).map(state))),
      JSONMember(
        "operators",
        .array(
          operatorCounts.map { entry in
            [
              "domain": .string(entry.kind.domain.string), "name": .string(entry.kind.name.string),
              "since_version": JSONValue(entry.kind.sinceVersion), "count": JSONValue(entry.count),
            ]
          })),
      JSONMember("parameters", JSONValue(parameters)),
      JSONMember("needs", ["flops": JSONValue(file.needs.flops), "live_bytes": JSONValue(file.needs.liveBytes)]),
      JSONMember("cost", costJSON),
      JSONMember("floats", floats?.json ?? .null),
      JSONMember("sections", .array(file.sections.map(section))),
      JSONMember("segments", .array(file.segments.enumerated().map(segment))),
      JSONMember(
        "metadata", .array(metadata.entries.map { ["key": .string($0.key.string), "value": .string($0.value.string)] })),
      JSONMember(
        "provenance",
        [
          "producer": .string(metadata.producer.string),
          "source_sha256": .string(Quantity.hexadecimal(metadata.sourceHash)),
          "quantization_method": .string(metadata.quantizationMethod.string),
          "calibration_sha256": .string(Quantity.hexadecimal(metadata.calibrationHash)),
        ]),
      JSONMember("test_vectors", .array(metadata.testVectors.map(testVector))),
      JSONMember("notes", .array(notes.map { .string($0) })),
    ]
    if options.graph {
      members.append(
        JSONMember("stages", .array(stages.map { ["name": .string($0.name), "lines": .array($0.lines.map { .string($0) })] })))
    }
    return .object(members)
  }

  private func symbol(_ symbol: Symbol) -> JSONValue {
    [
      "name": .string(symbol.name.string), "minimum": JSONValue(symbol.minimum),
      "maximum": symbol.maximum.map { JSONValue($0) } ?? .null, "multiple": JSONValue(symbol.multiple),
    ]
  }

  private func value(_ id: ValueID) -> JSONValue {
    let value = file.definition.graphs[0].values[Int(id)]
    let type = value.type?.tensor
    return [
      "name": .string(value.name.string), "type": type.map { .string($0.elementType.name.text) } ?? .null,
      "shape": ModelJSON.shape(type?.shape, symbols: file.definition.symbols),
    ]
  }

  private func state(_ state: State) -> JSONValue {
    let values = file.definition.graphs[0].values
    return [
      "name": .string(state.name.string), "input": .string(values[Int(state.input)].name.string),
      "output": .string(values[Int(state.output)].name.string), "has_initial_value": .bool(state.initial != nil),
    ]
  }

  private var costJSON: JSONValue {
    guard let cost, let memory else { return .null }
    let graph = file.definition.calledGraph
    let shapes = zip(graph.inputs, cost.inputShapes).map { id, shape in
      JSONMember(graph.values[Int(id)].name.string, ModelJSON.extents(shape))
    }
    return [
      "shapes": .object(shapes), "threads": JSONValue(options.threads), "flops": JSONValue(cost.operations),
      "live_bytes": JSONValue(cost.liveBytes), "arena_bytes": JSONValue(memory.arenaBytes),
      "scratch_bytes": JSONValue(memory.scratchBytes),
      "control_bytes": JSONValue(memory.controlBytes), "packed_bytes": JSONValue(memory.packedBytes),
      "constant_bytes": JSONValue(memory.constantBytes), "port_bytes": JSONValue(memory.portBytes),
      "nodes": .array(
        cost.nodes.map { node in
          [
            "name": .string(node.node.name.string),
            "operator": .string(node.node.domain.string + "." + node.node.operatorName.string),
            "output_shape": ModelJSON.extents(node.output), "parameters": JSONValue(node.parameters),
            "flops": node.operations.map { JSONValue($0) } ?? .null,
          ]
        }),
    ]
  }

  private func section(_ section: ModelFile.Section) -> JSONValue {
    [
      "name": .string(section.name.text), "offset": JSONValue(section.offset), "stored_bytes": JSONValue(section.storedSize),
      "raw_bytes": JSONValue(section.rawSize), "xxh64": .string(Quantity.checksum(section.checksum)),
    ]
  }

  private func segment(_ index: Int, _ segment: SegmentRecord) -> JSONValue {
    [
      "index": JSONValue(index), "role": .string(segment.role.text), "codec": .string(segment.codecText),
      "offset": JSONValue(segment.offset), "stored_bytes": JSONValue(segment.storedSize),
      "raw_bytes": JSONValue(segment.rawSize), "xxh64": .string(Quantity.checksum(segment.checksum)),
      "tensors": .array(tensors(inSegment: index).map { .string($0) }),
    ]
  }

  /// Names of the constants in a segment.
  func tensors(inSegment index: Int) -> [String] {
    file.definition.tensors.compactMap { tensor in
      if case .segment(let segment, _, _) = tensor.storage, Int(segment) == index { tensor.name.string } else { nil }
    }
  }

  private func testVector(_ vector: TestVector) -> JSONValue {
    func tensor(_ entry: TestVector.Tensor) -> JSONValue {
      [
        "name": .string(entry.name.string), "type": .string(entry.tensor.elementType.name.text),
        "shape": ModelJSON.extents(entry.tensor.dimensions),
      ]
    }
    return [
      "name": .string(vector.name.string), "inputs": .array(vector.inputs.map(tensor)),
      "outputs": .array(vector.outputs.map(tensor)), "absolute_tolerance": .float32(vector.absoluteTolerance),
      "relative_tolerance": .float32(vector.relativeTolerance),
    ]
  }
}

extension SegmentRecord {
  /// `raw`, `zstd`, or `zstd-planes` with the byte-plane filter, as on the command line of modelconv.
  var codecText: String {
    switch (codec, filter) {
    case (.raw, _): "raw"
    case (.zstd, .none): "zstd"
    case (.zstd, .bytePlanes): "zstd-planes"
    }
  }
}

extension SegmentRecord.Role {
  var text: String {
    switch self {
    case .graph: "graph"
    case .metadata: "metadata"
    }
  }
}
