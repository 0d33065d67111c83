import ApusGraph

/// Makes the vocabulary of ApusGraph from the graph section's FlatBuffer (schemas/apus.fbs). Field numbers are the places of
/// the fields in the schema's tables; a union counts as two.
///
/// What comes out is well-formed as a FlatBuffer; whether it is a sound model is `ModelDefinition.checkStructure`'s to say.
struct ModelDecoder {
  /// Deepest nesting of sequence, optional and map types.
  static let maximumTypeDepth = 16

  let buffer: FlatBuffer
  private var operators: [Needs.Operator] = []
  /// Which operators nodes have named so far.
  private var usedOperators: [Bool] = []

  init(_ buffer: FlatBuffer) { self.buffer = buffer }

  mutating func model() throws(ApusError) -> (definition: ModelDefinition, needs: Needs) {
    let root = try buffer.root(identifier: "APUS")
    var definition = ModelDefinition()
    if let vector = try tables(root, 0) {
      for index in 0..<vector.count { definition.symbols.append(try symbol(try buffer.table(vector, index))) }
    }
    if let vector = try tables(root, 1) {
      for index in 0..<vector.count { try addOperator(try buffer.table(vector, index)) }
    }
    if let vector = try tables(root, 2) {
      for index in 0..<vector.count { definition.tensors.append(try tensor(try buffer.table(vector, index))) }
    }
    guard let graphs = try tables(root, 3) else { throw buffer.missing(root) }
    for index in 0..<graphs.count { definition.graphs.append(try graph(try buffer.table(graphs, index))) }
    if let vector = try tables(root, 4) {
      for index in 0..<vector.count { definition.signatures.append(try signature(try buffer.table(vector, index))) }
    }
    var needs = Needs(operators: operators)
    if let table = try buffer.table(root, 5) {
      needs.flops = try buffer.integer(table, 0, default: UInt64(0))
      needs.liveBytes = try buffer.integer(table, 1, default: UInt64(0))
      if let position = try buffer.structure(table, 2, size: 6) {
        needs.minimumRuntime = RuntimeVersion(
          try buffer.load(position, as: UInt16.self), try buffer.load(position + 2, as: UInt16.self),
          try buffer.load(position + 4, as: UInt16.self))
      }
    }
    for isUsed in usedOperators where !isUsed {
      throw buffer.malformed("an operator is listed that no node uses", at: root.position)
    }
    return (definition, needs)
  }

  private func tables(_ table: FlatBuffer.Table, _ index: Int) throws(ApusError) -> FlatBuffer.Vector? {
    try buffer.vector(table, index, elementSize: 4, alignment: 4)
  }

  private func symbol(_ table: FlatBuffer.Table) throws(ApusError) -> Symbol {
    let name = try buffer.requiredName(table, 0)
    let minimum = try extent(try buffer.integer(table, 1, default: Int64(0)), table)
    let multiple = try extent(try buffer.integer(table, 3, default: Int64(1)), table)
    var maximum: Int?
    if let bound = try buffer.optionalInteger(table, 2, as: Int64.self) { maximum = try extent(bound, table) }
    return Symbol(name: name, minimum: minimum, maximum: maximum, multiple: multiple)
  }

  private func extent(_ value: Int64, _ table: FlatBuffer.Table) throws(ApusError) -> Int {
    guard value >= 0, let extent = Int(exactly: value) else {
      throw buffer.malformed("a negative extent", at: table.position, actual: "\(value)")
    }
    return extent
  }

  private mutating func addOperator(_ table: FlatBuffer.Table) throws(ApusError) {
    let entry = Needs.Operator(
      domain: try buffer.requiredName(table, 0), name: try buffer.requiredName(table, 1),
      sinceVersion: try buffer.integer(table, 2, default: Int32(0)))
    if let last = operators.last, !(last < entry) {
      throw buffer.malformed("operators are not strictly ascending", at: table.position)
    }
    operators.append(entry)
    usedOperators.append(false)
  }

  // MARK: Types and tensors

  func elementType(_ table: FlatBuffer.Table, _ index: Int) throws(ApusError) -> ElementType {
    let number = try buffer.integer(table, index, default: UInt8(0))
    guard let type = ElementType(rawValue: Int32(number)) else {
      throw ApusError(
        .unsupportedType, "raw " + buffer.section.text + ": unknown element type", actual: "\(number)",
        fileOffset: UInt64(exactly: table.position))
    }
    return type
  }

  private func quantization(_ table: FlatBuffer.Table) throws(ApusError) -> Quantization {
    let zeroPoint = try buffer.integer(table, 1, default: Int32(-1))
    let axis = try buffer.integer(table, 2, default: Int32(-1))
    return Quantization(
      scale: try buffer.integer(table, 0, default: Int32(-1)), zeroPoint: zeroPoint == -1 ? nil : zeroPoint,
      axis: axis == -1 ? nil : Int(axis), blockSize: try extent(try buffer.integer(table, 3, default: Int64(0)), table))
  }

  /// The type in the union at fields `index` and `index + 1`; nil where the table leaves it out.
  private func valueType(_ table: FlatBuffer.Table, _ index: Int, depth: Int) throws(ApusError) -> ValueType? {
    let kind = try buffer.integer(table, index, default: UInt8(0))
    guard let member = try buffer.table(table, index + 1) else {
      guard kind == 0 else { throw buffer.missing(table) }
      return nil
    }
    guard depth < Self.maximumTypeDepth else {
      throw buffer.malformed(
        "types are nested too deep", at: table.position, expected: "at most \(Self.maximumTypeDepth)")
    }
    switch kind {
    case 1: return .tensor(try tensorType(member))
    case 2: return .sequence(try requiredType(member, 0, depth: depth + 1))
    case 3: return .optional(try requiredType(member, 0, depth: depth + 1))
    case 4: return .map(key: try elementType(member, 0), value: try requiredType(member, 1, depth: depth + 1))
    default: throw unknownMember(kind, table)
    }
  }

  private func requiredType(_ table: FlatBuffer.Table, _ index: Int, depth: Int) throws(ApusError) -> ValueType {
    guard let type = try valueType(table, index, depth: depth) else { throw buffer.missing(table) }
    return type
  }

  private func unknownMember(_ kind: UInt8, _ table: FlatBuffer.Table) -> ApusError {
    buffer.malformed("unknown member of a union", at: table.position, actual: "\(kind)")
  }

  private func tensorType(_ table: FlatBuffer.Table) throws(ApusError) -> TensorType {
    var shape: Shape?
    if let numbers = try buffer.int64s(table, 1) {
      var dimensions: [Dimension] = []
      dimensions.reserveCapacity(numbers.count)
      for number in numbers { dimensions.append(try dimension(number, table)) }
      shape = Shape(dimensions)
    }
    var quantized: Quantization?
    if let child = try buffer.table(table, 2) { quantized = try quantization(child) }
    return TensorType(try elementType(table, 0), shape, quantization: quantized)
  }

  /// n >= 0 is an extent, -1 unknown, -2 - s symbol s.
  private func dimension(_ number: Int64, _ table: FlatBuffer.Table) throws(ApusError) -> Dimension {
    if number == -1 { return .unknown }
    if number >= 0 { return .known(try extent(number, table)) }
    guard let symbol = SymbolID(exactly: -2 - number) else {
      throw buffer.malformed("a dimension names no symbol", at: table.position, actual: "\(number)")
    }
    return .symbol(symbol)
  }

  func tensor(_ table: FlatBuffer.Table) throws(ApusError) -> ConstantTensor {
    let name = try buffer.name(table, 0) ?? .empty
    let type = try elementType(table, 1)
    var extents: [Int] = []
    for number in try buffer.int64s(table, 2) ?? [] { extents.append(try extent(number, table)) }
    let kind = try buffer.integer(table, 3, default: UInt8(0))
    guard let data = try buffer.table(table, 4) else { throw buffer.missing(table) }
    let storage: TensorStorage
    switch kind {
    case 1:
      guard let vector = try buffer.vector(data, 0, elementSize: 1, alignment: 1) else { throw buffer.missing(data) }
      storage = .inline(try buffer.copy(vector))
    case 2:
      guard let segment = Int32(exactly: try buffer.integer(data, 0, default: UInt32(0))) else {
        throw buffer.malformed("a segment number out of range", at: data.position)
      }
      storage = .segment(
        index: segment, offset: try buffer.integer(data, 1, default: UInt64(0)),
        length: try buffer.integer(data, 2, default: UInt64(0)))
    default: throw unknownMember(kind, table)
    }
    var quantized: Quantization?
    if let child = try buffer.table(table, 5) { quantized = try quantization(child) }
    let encoding = try buffer.integer(table, 6, default: UInt8(0))
    guard encoding == 0 else {
      throw ApusError(
        .unsupportedFeature, "a tensor encoding of a later version", tensorName: name.string, expected: "0",
        actual: "\(encoding)")
    }
    return ConstantTensor(name: name, elementType: type, dimensions: extents, storage: storage, quantization: quantized)
  }

  // MARK: Graphs

  private mutating func graph(_ table: FlatBuffer.Table) throws(ApusError) -> Graph {
    var graph = Graph(name: try buffer.name(table, 0) ?? .empty)
    let parent = try buffer.integer(table, 1, default: Int32(-1))
    graph.parent = parent == -1 ? nil : parent
    if let vector = try tables(table, 2) {
      for index in 0..<vector.count { graph.values.append(try value(try buffer.table(vector, index))) }
    }
    if let vector = try tables(table, 3) {
      for index in 0..<vector.count { graph.nodes.append(try node(try buffer.table(vector, index))) }
    }
    graph.inputs = try buffer.int32s(table, 4)
    graph.outputs = try buffer.int32s(table, 5)
    if let vector = try buffer.vector(table, 6, elementSize: 8, alignment: 4) {
      for index in 0..<vector.count {
        let position = vector.start + 8 * index
        graph.captures.append(
          Capture(inner: try buffer.load(position, as: Int32.self), outer: try buffer.load(position + 4, as: Int32.self)))
      }
    }
    return graph
  }

  private func value(_ table: FlatBuffer.Table) throws(ApusError) -> Value {
    let constant = try buffer.integer(table, 3, default: Int32(-1))
    return Value(
      name: try buffer.name(table, 0) ?? .empty, type: try valueType(table, 1, depth: 0),
      constant: constant == -1 ? nil : constant)
  }

  private mutating func node(_ table: FlatBuffer.Table) throws(ApusError) -> Node {
    let number = Untrusted(try buffer.integer(table, 1, default: UInt32(0)))
    guard let index = number.index(below: operators.count) else {
      throw buffer.malformed(
        "a node names no operator", at: table.position, expected: "below \(operators.count)", actual: number.text)
    }
    usedOperators[index] = true
    var node = Node(
      name: try buffer.name(table, 0) ?? .empty, domain: operators[index].domain, operatorName: operators[index].name,
      sinceVersion: operators[index].sinceVersion, inputs: try buffer.int32s(table, 2), outputs: try buffer.int32s(table, 3))
    if let vector = try tables(table, 4) {
      for index in 0..<vector.count {
        let entry = try attribute(try buffer.table(vector, index))
        if let last = node.attributes.last, !(last.name < entry.name) {
          throw buffer.malformed("attributes are not strictly ascending by name", at: table.position)
        }
        node.attributes.append(entry)
      }
    }
    return node
  }

  private func attribute(_ table: FlatBuffer.Table) throws(ApusError) -> Attribute {
    let name = try buffer.requiredName(table, 0)
    let kind = try buffer.integer(table, 1, default: UInt8(0))
    guard let member = try buffer.table(table, 2) else { throw buffer.missing(table) }
    return Attribute(name, try attributeValue(kind, member))
  }

  private func attributeValue(_ kind: UInt8, _ table: FlatBuffer.Table) throws(ApusError) -> AttributeValue {
    switch kind {
    case 1: return .int(try buffer.integer(table, 0, default: Int64(0)))
    case 2: return .float(try buffer.float(table, 0))
    case 3: return .string(try buffer.requiredText(table, 0))
    case 4: return .tensor(try buffer.integer(table, 0, default: Int32(0)))
    case 5: return .graph(try buffer.integer(table, 0, default: Int32(0)))
    case 6:
      guard let values = try buffer.int64s(table, 0) else { throw buffer.missing(table) }
      return .ints(values)
    case 7:
      guard let vector = try buffer.vector(table, 0, elementSize: 4, alignment: 4) else { throw buffer.missing(table) }
      var values: [Float] = []
      values.reserveCapacity(vector.count)
      for index in 0..<vector.count {
        values.append(Float(bitPattern: try buffer.load(vector.start + 4 * index, as: UInt32.self)))
      }
      return .floats(values)
    case 8:
      guard let vector = try tables(table, 0) else { throw buffer.missing(table) }
      var values: [Name] = []
      for index in 0..<vector.count { values.append(try buffer.text(try buffer.string(vector, index))) }
      return .strings(values)
    case 9: return .tensors(try buffer.int32s(table, 0, required: true))
    case 10: return .graphs(try buffer.int32s(table, 0, required: true))
    case 11: return .type(try requiredType(table, 0, depth: 0))
    default: throw unknownMember(kind, table)
    }
  }

  // MARK: Signatures

  private func signature(_ table: FlatBuffer.Table) throws(ApusError) -> Signature {
    var signature = Signature(
      name: try buffer.requiredName(table, 0), inputs: try buffer.int32s(table, 1), outputs: try buffer.int32s(table, 2))
    if let vector = try tables(table, 3) {
      for index in 0..<vector.count {
        let child = try buffer.table(vector, index)
        let initial = try buffer.integer(child, 3, default: Int32(-1))
        signature.states.append(
          State(
            name: try buffer.requiredName(child, 0), input: try buffer.integer(child, 1, default: Int32(-1)),
            output: try buffer.integer(child, 2, default: Int32(-1)), initial: initial == -1 ? nil : initial))
      }
    }
    return signature
  }
}
