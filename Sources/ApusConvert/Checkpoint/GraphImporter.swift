import ApusGraph
import ApusSafetensors

/// Reads `apus.graph` (Sources/ApusTraining/Export/GRAPH_JSON.md) into a model of one graph.
///
/// Whatever the page demands is checked here, and each error says where in the document it is.
struct GraphImporter {
  /// The tensors that a model holds are read from the checkpoint through this.
  let tensorNamed: (Name) throws(ApusError) -> ConstantTensor

  private(set) var symbols: [Symbol] = []
  private(set) var graph = Graph()
  private(set) var tensors: [ConstantTensor] = []
  private(set) var tests: Tests?
  private(set) var metadata: [Metadata.Entry] = []

  private var symbolIDs: [Name: SymbolID] = [:]
  private var valueIDs: [Name: ValueID] = [:]
  private var tensorIDs: [Name: TensorID] = [:]

  struct Tests: Equatable {
    var count: Int
    var absoluteTolerance: Float
    var relativeTolerance: Float
  }

  init(_ document: JSONValue, tensorNamed: @escaping (Name) throws(ApusError) -> ConstantTensor) throws(ApusError) {
    self.tensorNamed = tensorNamed
    let root = try GraphField(value: document, path: "").object(
      required: ["version", "name", "symbols", "inputs", "outputs", "values", "initializers", "nodes", "metadata"],
      optional: ["tests"])
    let version = try root["version"].integer()
    guard version == 1 else {
      throw ApusError(
        .unsupportedVersion, "apus.graph has a version that this release does not read", expected: "1", actual: "\(version)")
    }
    graph.name = try root["name"].name()
    symbols = try root["symbols"].list { field throws(ApusError) in try GraphImporter.symbol(field) }
    for (index, symbol) in symbols.enumerated() {
      guard symbolIDs.updateValue(SymbolID(index), forKey: symbol.name) == nil else {
        throw root["symbols"].error(expected: "symbols of different names; '\(symbol.name.string)' stands twice")
      }
    }
    for field in try root["inputs"].array() { try addInput(field) }
    for field in try root["initializers"].array() { try addInitializer(field) }
    for field in try root["nodes"].array() { try addNode(field) }
    for field in try root["values"].array() { try addType(field, isRequired: true) }
    for field in try root["outputs"].array() { graph.outputs.append(try addType(field, isRequired: false)) }
    if let field = root.optional("tests") { tests = try GraphImporter.tests(field) }
    metadata = try root["metadata"].list { field throws(ApusError) in
      let entry = try field.object(required: ["key", "value"])
      return Metadata.Entry(key: try entry["key"].nonEmptyName(), value: try entry["value"].name())
    }
    metadata.sort { $0.key < $1.key }
    for (earlier, later) in zip(metadata, metadata.dropFirst()) where earlier.key == later.key {
      throw root["metadata"].error(expected: "different keys; '\(later.key.string)' stands twice")
    }
  }

  // MARK: Types

  private static func symbol(_ field: GraphField) throws(ApusError) -> Symbol {
    let object = try field.object(required: ["name", "minimum", "multiple"], optional: ["maximum"])
    let minimum = try object["minimum"].integer(from: 0)
    return Symbol(
      name: try object["name"].nonEmptyName(), minimum: minimum,
      maximum: try object.optional("maximum")?.integer(from: minimum), multiple: try object["multiple"].integer(from: 1))
  }

  private func type(_ field: GraphField) throws(ApusError) -> ValueType {
    let object = try field.object(required: ["element"], optional: ["shape"])
    let element = try object["element"].elementType()
    guard let shape = object.optional("shape") else { return .tensor(TensorType(element, nil)) }
    let dimensions = try shape.list { extent throws(ApusError) in
      switch extent.value {
      case .null: return Dimension.unknown
      case .string:
        guard let id = symbolIDs[try extent.name()] else { throw extent.error(expected: "the name of a symbol") }
        return .symbol(id)
      default: return .known(try extent.integer(from: 0))
      }
    }
    return .tensor(TensorType(element, Shape(dimensions)))
  }

  // MARK: Values

  /// Adds a value under a name that nothing else has.
  private mutating func define(_ name: Name, _ field: GraphField, type: ValueType? = nil, constant: TensorID? = nil)
    throws(ApusError) -> ValueID
  {
    let id = ValueID(graph.values.count)
    guard valueIDs.updateValue(id, forKey: name) == nil else {
      throw ApusError(
        .malformed, "apus.graph defines a value twice, again at " + field.path, tensorName: name.string,
        expected: "an input, an initializer, or the output of one node")
    }
    graph.values.append(Value(name: name, type: type, constant: constant))
    return id
  }

  private mutating func addInput(_ field: GraphField) throws(ApusError) {
    let object = try field.object(required: ["name", "type"])
    let type = try type(object["type"])
    graph.inputs.append(try define(try object["name"].nonEmptyName(), object["name"], type: type))
  }

  private mutating func addInitializer(_ field: GraphField) throws(ApusError) {
    let id: TensorID
    let name: Name
    if let tensor = field.value["tensor"], tensor != .null {
      let object = try field.object(required: ["name", "tensor"])
      name = try object["name"].nonEmptyName()
      let source = try object["tensor"].nonEmptyName()
      if let known = tensorIDs[source] {
        id = known
      } else {
        id = TensorID(tensors.count)
        tensors.append(try tensorNamed(source))
        tensorIDs[source] = id
      }
    } else {
      let object = try field.object(required: ["name", "element", "shape", "integers"])
      name = try object["name"].nonEmptyName()
      id = TensorID(tensors.count)
      tensors.append(try GraphImporter.integerTensor(name, object))
    }
    _ = try define(name, field, constant: id)
  }

  private static func integerTensor(_ name: Name, _ object: GraphObject) throws(ApusError) -> ConstantTensor {
    let type = try object["element"].elementType()
    let dimensions = try object["shape"].list { extent throws(ApusError) in try extent.integer(from: 0) }
    let numbers = try object["integers"].list { number throws(ApusError) in try number.integer() }
    guard elementCount(dimensions) == numbers.count else {
      throw ApusError(
        .malformed, "apus.graph is malformed at " + object["integers"].path, tensorName: name.string,
        expected: "the elements of " + Shape(dimensions).text(symbols: []), actual: "\(numbers.count)")
    }
    var bytes: [UInt8] = []
    func append<Integer: FixedWidthInteger>(_: Integer.Type) throws(ApusError) {
      for number in numbers {
        guard let value = Integer(exactly: number) else {
          throw ApusError(
            .malformed, "apus.graph is malformed at " + object["integers"].path, tensorName: name.string,
            expected: "numbers of " + type.name.text, actual: "\(number)")
        }
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    switch type {
    case .int64: try append(Int64.self)
    case .int32: try append(Int32.self)
    case .int16: try append(Int16.self)
    case .int8: try append(Int8.self)
    case .uint64: try append(UInt64.self)
    case .uint32: try append(UInt32.self)
    case .uint16: try append(UInt16.self)
    case .uint8: try append(UInt8.self)
    default: throw object["element"].error(expected: "an integer type")
    }
    return ConstantTensor(name: name, elementType: type, dimensions: dimensions, storage: .inline(bytes))
  }

  /// A value of `values` or `outputs`, which must be there already; gives it its type.
  @discardableResult
  private mutating func addType(_ field: GraphField, isRequired: Bool) throws(ApusError) -> ValueID {
    let object = try field.object(required: isRequired ? ["name", "type"] : ["name"], optional: isRequired ? [] : ["type"])
    let name = try object["name"].nonEmptyName()
    guard let id = valueIDs[name] else {
      throw ApusError(
        .malformed, "apus.graph names a value that no node writes, at " + field.path, tensorName: name.string)
    }
    guard let typeField = object.optional("type") else { return id }
    let type = try type(typeField)
    if let known = graph.values[Int(id)].type, known != type {
      throw ApusError(.malformed, "apus.graph gives a value two types, again at " + field.path, tensorName: name.string)
    }
    // What a constant is, its tensor says.
    if graph.values[Int(id)].constant == nil { graph.values[Int(id)].type = type }
    return id
  }

  // MARK: Nodes

  private mutating func addNode(_ field: GraphField) throws(ApusError) {
    let object = try field.object(
      required: ["name", "domain", "operator", "since_version", "inputs", "outputs", "attributes"])
    let version = try object["since_version"].integer(from: 1)
    guard let sinceVersion = Int32(exactly: version) else { throw object["since_version"].error(expected: "an operator version") }
    var node = Node(
      name: try object["name"].name(), domain: try object["domain"].nonEmptyName(),
      operatorName: try object["operator"].nonEmptyName(), sinceVersion: sinceVersion, inputs: [], outputs: [])
    do throws(ApusError) {
      for input in try object["inputs"].array() {
        let name = try input.name()
        guard !name.isEmpty else {
          node.inputs.append(.absent)
          continue
        }
        guard let id = valueIDs[name] else {
          throw ApusError(
            .malformed, "apus.graph reads a value that nothing has written before, at " + input.path,
            tensorName: name.string)
        }
        node.inputs.append(id)
      }
      for output in try object["outputs"].array() {
        let name = try output.name()
        node.outputs.append(name.isEmpty ? .absent : try define(name, output))
      }
      node.attributes = try object["attributes"].list { field throws(ApusError) in try GraphImporter.attribute(field) }
    } catch {
      throw error.inOperator(node.label)
    }
    graph.nodes.append(node)
  }

  private static func attribute(_ field: GraphField) throws(ApusError) -> Attribute {
    let object = try field.object(required: ["name", "type", "value"])
    let value = object["value"]
    let content: AttributeValue
    switch object["type"].value.stringValue {
    case "int": content = .int(try value.integer())
    case "float": content = .float(try value.float())
    case "string": content = .string(try value.name())
    case "ints": content = .ints(try value.list { item throws(ApusError) in try item.integer() })
    case "floats": content = .floats(try value.list { item throws(ApusError) in try item.float() })
    case "strings": content = .strings(try value.list { item throws(ApusError) in try item.name() })
    default: throw object["type"].error(expected: "int, float, string, ints, floats or strings")
    }
    return Attribute(try object["name"].nonEmptyName(), content)
  }

  // MARK: Tests

  private static func tests(_ field: GraphField) throws(ApusError) -> Tests {
    let object = try field.object(required: ["count", "absolute_tolerance", "relative_tolerance"])
    let tests = Tests(
      count: try object["count"].integer(from: 0), absoluteTolerance: try object["absolute_tolerance"].float(),
      relativeTolerance: try object["relative_tolerance"].float())
    for (key, tolerance) in [
      ("absolute_tolerance", tests.absoluteTolerance), ("relative_tolerance", tests.relativeTolerance),
    ] where !(tolerance >= 0 && tolerance.isFinite) {
      throw object[key].error(expected: "a finite number of 0 or more")
    }
    return tests
  }
}
