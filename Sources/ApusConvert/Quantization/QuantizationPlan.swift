import ApusGraph

/// Which nodes of a float model run on integers, and which tensors therefore get codes.
struct QuantizationPlan {
  /// What a node does with codes.
  enum Role: Sendable {
    /// Sums of products with constant weights, input 1.
    case product(weightAxis: Int)
    /// A product of two activations.
    case activationProduct
    /// Adds a constant to what a product gives, in its tail.
    case bias
    /// Add and Mul.
    case arithmetic
    case averagePool
    /// A function of one number: a table of 256 codes.
    case table
    /// Moves or picks elements: codes stay what they are.
    case movement
    case concatenation

    var isProduct: Bool {
      switch self {
      case .product, .activationProduct: true
      default: false
      }
    }

    /// Whether input and output have one set of parameters.
    var keepsParameters: Bool {
      switch self {
      case .movement, .concatenation: true
      default: false
      }
    }
  }

  /// By position; nil for nodes that stay float.
  private(set) var roles: [Role?]
  /// Why nodes with weights or between quantized ones stay float, by position.
  private(set) var reasons: [Int: String] = [:]
  /// Values that become codes, in the order in which they are first read.
  private(set) var quantized: [ValueID] = []
  /// Constant operands of arithmetic that become codes, too.
  private(set) var constants: [ValueID] = []
  private(set) var unknownExclusions: [String] = []
  private let draft: ModelDraft
  private let types: [TensorType?]

  /// - Parameters:
  ///   - floats: nodes that stay float, by what `Node.title` or the name of an output says.
  ///   - returned: places of nodes that stay float, too.
  init(_ draft: ModelDraft, excluding floats: Set<String>, returning returned: Set<Int> = []) throws(ApusError) {
    self.draft = draft
    types = try draft.types()
    roles = []
    var known: Set<String> = []
    for (position, node) in draft.graph.nodes.enumerated() {
      let names = [node.title] + node.outputs.filter { $0 >= 0 }.map { draft.name($0) }
      known.formUnion(names)
      if names.contains(where: { floats.contains($0) }) {
        roles.append(nil)
        reasons[position] = "excluded"
      } else if returned.contains(position) {
        roles.append(nil)
      } else {
        roles.append(role(of: node, position))
      }
    }
    unknownExclusions = floats.subtracting(known).sorted()
    takeBiases()
    keepWhatReadsCodes()
    keepWhatCodesRead()
    foldActivations()
    collect()
  }

  // MARK: What a node can do

  private mutating func role(of node: Node, _ position: Int) -> Role? {
    guard node.domain == .onnx, let first = node.inputs.first, first >= 0, isFloat(first) else { return nil }
    switch node.operatorName {
    case "Conv":
      guard node.inputs.count > 1, draft.isFloatConstant(node.inputs[1]) else {
        return refuse(position, "its weights are no float32 constant")
      }
      guard node.inputs.count < 3 || node.inputs[2] < 0 || draft.isFloatConstant(node.inputs[2]) else {
        return refuse(position, "its bias is no float32 constant")
      }
      return .product(weightAxis: 0)
    case "Gemm": return gemm(node, position)
    case "MatMul":
      guard isFloat(node.inputs[1]) else { return nil }
      if draft.tensor(node.inputs[0]) == nil, draft.tensor(node.inputs[1]) == nil { return .activationProduct }
      guard draft.tensor(node.inputs[0]) == nil, draft.isFloatConstant(node.inputs[1]),
        draft.tensor(node.inputs[1])?.dimensions.count == 2
      else { return refuse(position, "its weights are no float32 matrix on the right") }
      return .product(weightAxis: 1)
    case "ConvTranspose", "LSTM", "GRU", "RNN", "Einsum", "DeformConv", "Attention":
      return refuse(position, "the scheme has no integer form of \(node.operatorName.string)")
    case "BatchNormalization": return refuse(position, "a batch normalization that follows no convolution")
    case "Add", "Mul":
      guard node.inputs.count == 2, draft.tensor(node.inputs[0]) == nil || draft.tensor(node.inputs[1]) == nil else { return nil }
      return .arithmetic
    case "AveragePool", "GlobalAveragePool": return .averagePool
    case "MaxPool": return node.outputs.count > 1 && node.outputs[1] >= 0 ? nil : .movement
    case "Relu", "Clip", "LeakyRelu", "Elu", "Celu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Tanh", "Softplus",
      "Gelu", "Mish", "Softsign", "ThresholdedRelu":
      guard node.inputs.dropFirst().allSatisfy({ $0 < 0 || draft.tensor($0) != nil }) else { return nil }
      return .table
    case "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity", "DepthToSpace", "SpaceToDepth":
      return .movement
    case "Resize":
      guard case .string(let mode) = node.attribute("mode") ?? .string("nearest"), mode == "nearest" || mode == "linear" else {
        return nil
      }
      return .movement
    case "Concat": return node.inputs.allSatisfy { $0 >= 0 && isFloat($0) } ? .concatenation : nil
    default: return nil
    }
  }

  private mutating func gemm(_ node: Node, _ position: Int) -> Role? {
    guard node.inputs.count > 1, draft.isFloatConstant(node.inputs[1]) else {
      return refuse(position, "its weights are no float32 constant")
    }
    guard node.int("transA") == 0, node.float("alpha", default: 1) == 1, node.float("beta", default: 1) == 1 else {
      return refuse(position, "it turns or scales its operand")
    }
    let axis = node.int("transB") == 0 ? 1 : 0
    let columns = draft.tensor(node.inputs[1])?.dimensions[axis] ?? 0
    if node.inputs.count > 2, node.inputs[2] >= 0 {
      guard draft.isFloatConstant(node.inputs[2]), let bias = draft.tensor(node.inputs[2]),
        bias.dimensions.last == columns, elementCount(bias.dimensions) == columns
      else { return refuse(position, "its bias is no row of constants") }
    }
    return .product(weightAxis: axis)
  }

  private mutating func refuse(_ position: Int, _ reason: String) -> Role? {
    reasons[position] = reason
    return nil
  }

  private func isFloat(_ id: ValueID) -> Bool { types[Int(id)]?.elementType == .float32 }

  /// The operands that become codes: not weights, shapes or bounds.
  func operands(_ position: Int) -> [ValueID] {
    let node = draft.graph.nodes[position]
    switch roles[position] {
    case nil, .bias: return []
    case .activationProduct, .arithmetic, .concatenation: return node.inputs
    case .product, .averagePool, .table, .movement: return [node.inputs[0]]
    }
  }

  // MARK: Which nodes it pays for

  /// A product's constant that is added to each row belongs to the product.
  private mutating func takeBiases() {
    for (product, bias) in draft.addedBiases() {
      guard case .product = roles[product], roles[bias.position] != nil else { continue }
      roles[bias.position] = .bias
    }
  }

  /// Besides products, nodes run on codes where all that they read are codes anyway.
  private mutating func keepWhatReadsCodes() {
    var codes: Set<ValueID> = []
    for position in roles.indices where roles[position]?.isProduct == true { codes.formUnion(operands(position)) }
    for (position, node) in draft.graph.nodes.enumerated() {
      guard let role = roles[position] else { continue }
      switch role {
      case .product, .activationProduct, .bias: codes.formUnion(node.outputs)
      case .arithmetic, .averagePool, .table, .movement, .concatenation:
        let areCodes = operands(position).allSatisfy { codes.contains($0) || draft.isFloatConstant($0) }
        if areCodes { codes.formUnion(node.outputs) } else { roles[position] = nil }
      }
    }
  }

  /// Nodes whose results no integer node reads give floats: they gain nothing from codes.
  private mutating func keepWhatCodesRead() {
    var read: Set<ValueID> = []
    for position in draft.graph.nodes.indices.reversed() {
      guard let role = roles[position] else { continue }
      switch role {
      case .product, .activationProduct: break
      case .bias: read.insert(draft.graph.nodes[position].inputs[0])
      case .arithmetic, .averagePool, .table, .movement, .concatenation:
        guard draft.graph.nodes[position].outputs.contains(where: { read.contains($0) }) else {
          roles[position] = nil
          continue
        }
      }
      read.formUnion(operands(position))
    }
  }

  /// Activations that stand in the tail of what they follow, and the values between: these never become codes.
  private(set) var folded: Set<ValueID> = []

  private mutating func foldActivations() {
    let (readers, writers) = (draft.readers, draft.writers)
    func follows(_ value: ValueID) -> Bool {
      guard let writer = writers[value], readers[Int(value)] == 1 else { return false }
      switch roles[writer] {
      case .product, .activationProduct, .bias, .arithmetic, .averagePool: return true
      default: return false
      }
    }
    for (position, node) in draft.graph.nodes.enumerated() {
      switch roles[position] {
      case .bias: folded.formUnion(node.inputs.filter { draft.tensor($0) == nil })
      case .table where node.operatorName == "Relu" || node.operatorName == "Clip":
        if follows(node.inputs[0]) { folded.insert(node.inputs[0]) }
      default: break
      }
    }
  }

  private mutating func collect() {
    var seen: Set<ValueID> = []
    for position in roles.indices {
      for id in operands(position) where id >= 0 && !folded.contains(id) && seen.insert(id).inserted {
        if draft.tensor(id) == nil { quantized.append(id) } else { constants.append(id) }
      }
    }
  }

  // MARK: Parameters that are shared

  /// The range of each quantized value, where values that must have the same parameters have the union of theirs.
  ///
  /// Operands of a concatenation share theirs unless one's range is more than `largestRatio` times as wide as another's: it would
  /// leave that one too few codes.
  func sharedRanges(_ ranges: [ValueID: ValueRange]) -> [ValueID: ValueRange] {
    var parent = Dictionary(uniqueKeysWithValues: ranges.keys.map { ($0, $0) })
    func root(_ id: ValueID) -> ValueID {
      var id = id
      while let next = parent[id], next != id { id = next }
      return id
    }
    var merged = ranges
    func join(_ a: ValueID, _ b: ValueID) {
      let (a, b) = (root(a), root(b))
      guard a != b, let first = merged[a], let second = merged[b] else { return }
      parent[max(a, b)] = min(a, b)
      merged[min(a, b)] = first.union(second)
    }
    for pass in [false, true] {
      for (position, node) in draft.graph.nodes.enumerated() {
        guard let role = roles[position], role.keepsParameters else { continue }
        guard case .concatenation = role else {
          if !pass { for output in node.outputs where ranges[output] != nil { join(node.inputs[0], output) } }
          continue
        }
        // Last: movement has made the operands' ranges final.
        guard pass, let output = node.outputs.first, ranges[output] != nil else { continue }
        let widths = node.inputs.compactMap { merged[root($0)]?.width }
        guard let widest = widths.max(), let narrowest = widths.min(), widths.count == node.inputs.count,
          widest <= Self.largestRatio * narrowest
        else { continue }
        for input in node.inputs { join(input, output) }
      }
    }
    return Dictionary(uniqueKeysWithValues: ranges.keys.compactMap { id in merged[root(id)].map { (id, $0) } })
  }

  private static let largestRatio = 4.0

  /// Nodes with weights that run on integers, in order.
  var layers: [Int] {
    roles.indices.filter { position in
      if case .product = roles[position] { true } else { false }
    }
  }
}
