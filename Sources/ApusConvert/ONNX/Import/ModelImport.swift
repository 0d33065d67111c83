import ApusGraph

/// One import: the messages of a file become graphs of a `ModelBuilder`.
final class ModelImport {
  let builder: ModelBuilder
  let folder: ModelFolder?
  let functions: [FunctionKey: ONNXFunctionProto]
  private let operatorSets: [Name: Int32]
  /// Shapes of the main graph's inputs that the caller chose.
  var fixedShapes: [Name: Shape] = [:]

  init(_ proto: ONNXModelProto, _ builder: ModelBuilder, folder: ModelFolder?) throws(ApusError) {
    guard proto.hasGraph else {
      throw ApusError(.malformed, "this is no ONNX model: it has no graph")
    }
    guard proto.irVersion >= 3 else {
      throw ApusError(
        .unsupportedVersion, "the file is of an IR version that states no operator sets", expected: "3 or later",
        actual: "\(proto.irVersion)")
    }
    self.builder = builder
    self.folder = folder
    operatorSets = try ModelImport.operatorSets(proto.opsetImport)
    var functions: [FunctionKey: ONNXFunctionProto] = [:]
    for function in proto.functions {
      guard functions.updateValue(function, forKey: FunctionKey(function)) == nil else {
        throw ApusError(.invalidModel, "the model has a function twice", operatorName: function.domain + "." + function.name)
      }
    }
    self.functions = functions
  }

  /// - Throws: what a graph or node is refused for; `limitExceeded` where functions stand for too many nodes.
  func run(_ graph: ONNXGraphProto) throws(ApusError) {
    var size = InlinedSize(functions)
    let nodes = size.nodes(of: graph)
    guard nodes <= builder.maximumNodes else {
      throw ApusError(
        .limitExceeded, "the model has too many nodes once its functions are inlined",
        expected: "at most \(builder.maximumNodes)", actual: nodes == .max ? "over 2^63" : "\(nodes)")
    }
    _ = try importGraph(graph, outer: nil, parent: nil)
  }

  /// The domain as Apus spells it.
  static func domain(_ domain: String) -> Name { domain.isEmpty ? .onnx : Name(domain) }

  /// - Throws: `unsupportedVersion` for standard operator sets before 7, whose operators broadcast by rules of their own.
  static func operatorSets(_ imports: [ONNXOperatorSetIdProto]) throws(ApusError) -> [Name: Int32] {
    var sets: [Name: Int32] = [:]
    for item in imports {
      let domain = domain(item.domain)
      guard let version = Int32(exactly: item.version), version >= 1 else {
        throw ApusError(
          .malformed, "an operator set has an impossible version", expected: "1 or more",
          actual: domain.string + " \(item.version)")
      }
      guard domain != .onnx || version >= ONNXImporter.oldestOperatorSet else {
        throw ApusError(
          .unsupportedVersion, "the model's operator set is older than this release reads",
          expected: "\(ONNXImporter.oldestOperatorSet) or later", actual: "\(version)")
      }
      sets[domain] = max(sets[domain] ?? 0, version)
    }
    return sets
  }

  // MARK: Graphs

  /// - Parameters:
  ///   - outer: where names are looked up that the graph does not have; nil for the main graph.
  ///   - parent: the graph of the node that the graph belongs to.
  func importGraph(_ proto: ONNXGraphProto, outer: ImportScope?, parent: GraphID?) throws(ApusError) -> GraphID {
    let graph = try builder.addGraph(name: Name(proto.name), parent: parent)
    let scope = ImportScope(graph: graph, outer: outer, operatorSets: outer?.operatorSets ?? operatorSets)
    for info in proto.valueInfo + proto.output { try declare(info, in: scope) }
    for initializer in proto.initializer {
      try addInitializer(try DecodedTensor(initializer, folder: folder), scope)
    }
    for initializer in proto.sparseInitializer {
      try addInitializer(try DecodedTensor(sparse: initializer, folder: folder), scope)
    }
    // Before IR version 4 each initializer is listed as an input too. A later file that does so lets callers replace it;
    // it is a constant here all the same.
    var inputs: Set<Name> = []
    for info in proto.input {
      let name = Name(info.name)
      guard !name.isEmpty, inputs.insert(name).inserted else {
        throw ApusError(
          .invalidModel, name.isEmpty ? "an input of the graph has no name" : "two inputs of the graph have one name",
          tensorName: info.name)
      }
      guard scope.values[name] == nil else { continue }
      try declare(info, in: scope)
      if parent == nil, let shape = fixedShapes[name], case .tensor(var type) = scope.declared[name] {
        type.shape = shape
        scope.declared[name] = .tensor(type)
      }
      let value = try define(name, scope.declared[name], in: scope)
      builder.addInput(value)
    }
    try importNodes(proto.node, scope)
    for info in proto.output {
      let name = Name(info.name)
      guard let found = scope.find(name) else {
        throw ApusError(
          .invalidModel, "nothing writes an output of graph '\(proto.name)'", tensorName: info.name)
      }
      let output = builder.reference(found, from: graph)
      guard builder.isWritten(output) else { throw ModelImport.unwritten(info.name) }
      builder.addOutput(output)
      builder.settleOutputType(output, declared: scope.declared[name])
    }
    return graph
  }

  private func addInitializer(_ tensor: DecodedTensor, _ scope: ImportScope) throws(ApusError) {
    guard !tensor.name.isEmpty else { throw ApusError(.invalidModel, "an initializer has no name") }
    let value = try define(tensor.name, nil, in: scope)
    builder.setConstant(try builder.addTensor(tensor), of: value)
  }

  private func declare(_ info: ONNXValueInfoProto, in scope: ImportScope) throws(ApusError) {
    guard info.hasType else { return }
    do {
      scope.declared[Name(info.name)] = try builder.symbols.type(info.type)
    } catch {
      var error = error
      error.tensorName = info.name
      throw error
    }
  }

  /// A new value of a scope.
  /// - Throws: `invalidModel` where it has one of that name.
  func define(_ name: Name, _ type: ValueType?, in scope: ImportScope) throws(ApusError) -> ValueReference {
    guard scope.values[name] == nil else {
      throw ApusError(.invalidModel, "a value is written twice", tensorName: name.string)
    }
    let value =
      scope.targets.removeValue(forKey: name)
      ?? builder.addValue(scope.prefix.isEmpty ? name : Name(scope.prefix + name.string), type, in: scope.graph)
    scope.values[name] = value
    return value
  }

  // MARK: Nodes

  func importNodes(_ nodes: [ONNXNodeProto], _ scope: ImportScope) throws(ApusError) {
    for index in try NodeOrder.sorted(nodes) {
      let node = nodes[index]
      do {
        try importNode(node, scope)
      } catch {
        throw error.inOperator(ModelImport.label(node, scope))
      }
    }
  }

  private static func label(_ proto: ONNXNodeProto, _ scope: ImportScope) -> String {
    let kind = domain(proto.domain).string + "." + proto.opType
    return proto.name.isEmpty ? kind : scope.prefix + proto.name + " (" + kind + ")"
  }

  private func importNode(_ proto: ONNXNodeProto, _ scope: ImportScope) throws(ApusError) {
    let key = FunctionKey(proto)
    if let function = functions[key] { return try call(function, key, proto, scope) }
    let domain = key.domain
    guard let operatorSet = scope.operatorSets[domain] else {
      throw ApusError(
        .invalidModel, "the model imports no operator set of the operator's domain", expected: domain.string)
    }
    if domain == .onnx, proto.opType == "Constant" { return try importConstant(proto, scope) }
    if domain == .onnx, proto.opType == "Scan", operatorSet < 9 { return try importBatchedScan(proto, scope) }
    var node = Node(
      name: Name(scope.prefix + proto.name), domain: domain, operatorName: Name(proto.opType), sinceVersion: operatorSet,
      inputs: try inputs(of: proto, scope), outputs: [])
    for attribute in proto.attribute {
      if let attribute = try importAttribute(attribute, scope, of: scope.graph) { node.attributes.append(attribute) }
    }
    node.outputs = try outputs(of: proto, scope)
    try Adaptation(node, in: scope.graph, builder).run()
    for (name, id) in zip(proto.output, node.outputs) where id >= 0 {
      builder.fallBack(to: scope.declared[Name(name)], for: ValueReference(graph: scope.graph, id: id))
    }
  }

  func inputs(of proto: ONNXNodeProto, _ scope: ImportScope) throws(ApusError) -> [ValueID] {
    var inputs: [ValueID] = []
    for name in proto.input {
      guard !name.isEmpty else {
        inputs.append(.absent)
        continue
      }
      guard let found = scope.find(Name(name)) else {
        throw ApusError(.invalidModel, "nothing writes an input of the node", tensorName: name)
      }
      let value = builder.reference(found, from: scope.graph)
      guard value.id < 0 || builder.isWritten(value) else { throw ModelImport.unwritten(name) }
      inputs.append(value.id)
    }
    return inputs
  }

  /// A value that its node wrote in its own operator set and does not in the registry's form.
  private static func unwritten(_ name: String) -> ApusError {
    ApusError(
      .unsupported, "the value is an output of an older operator that the newer one does not have: statistics of training",
      tensorName: name)
  }

  func outputs(of proto: ONNXNodeProto, _ scope: ImportScope) throws(ApusError) -> [ValueID] {
    var outputs: [ValueID] = []
    for name in proto.output {
      outputs.append(name.isEmpty ? .absent : try define(Name(name), nil, in: scope).id)
    }
    return outputs
  }

  /// A Constant node is no node but a value, whichever attribute holds it.
  private func importConstant(_ proto: ONNXNodeProto, _ scope: ImportScope) throws(ApusError) {
    guard proto.attribute.count == 1, proto.output.count == 1, proto.input.isEmpty, !proto.output[0].isEmpty else {
      throw ApusError(
        .invalidModel, "a Constant has one attribute, no input and one output",
        actual: "\(proto.attribute.count) attributes, \(proto.input.count) inputs, \(proto.output.count) outputs")
    }
    guard let attribute = try importAttribute(proto.attribute[0], scope, of: scope.graph) else {
      throw ApusError(.invalidAttribute, "the Constant's attribute is an argument that the function's caller leaves out")
    }
    let tensor: TensorID
    switch attribute.value {
    case .tensor(let id): tensor = id
    case .float(let value): tensor = try builder.addTensor(floats: [value], scalar: true)
    case .floats(let values): tensor = try builder.addTensor(floats: values)
    case .int(let value): tensor = try builder.addTensor(integers: [value], scalar: true)
    case .ints(let values): tensor = try builder.addTensor(integers: values)
    case .string(let value): tensor = try builder.addTensor(.string, [], try encodedStrings([value.bytes], count: 1))
    case .strings(let values):
      tensor = try builder.addTensor(.string, [values.count], try encodedStrings(values.map(\.bytes), count: values.count))
    default:
      throw ApusError(
        .invalidAttribute, "a Constant has no attribute '" + attribute.name.string + "' of this kind",
        actual: attribute.value.kind.text)
    }
    builder.setConstant(tensor, of: try define(Name(proto.output[0]), nil, in: scope))
  }
}

extension ModelBuilder {
  func addTensor(integers: [Int64], scalar: Bool = false) throws(ApusError) -> TensorID {
    try addTensor(.int64, scalar ? [] : [integers.count], ElementType.int64.bytes(of: integers) ?? [])
  }

  func addTensor(floats: [Float], scalar: Bool = false) throws(ApusError) -> TensorID {
    let bytes = floats.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
    return try addTensor(.float32, scalar ? [] : [floats.count], bytes)
  }
}
