import ApusGraph
import Foundation
import SwiftProtobuf

@testable import ApusConvert

/// ONNX models written out in tests.
enum ONNXModel {
  static func model(
    operatorSet: Int64 = 22, _ graph: ONNXGraphProto, functions: [ONNXFunctionProto] = [], irVersion: Int64 = 10,
    otherSets: [String: Int64] = [:]
  ) -> ONNXModelProto {
    var model = ONNXModelProto()
    model.irVersion = irVersion
    model.graph = graph
    model.functions = functions
    model.opsetImport =
      [operatorSets("", operatorSet)] + otherSets.sorted { $0.key < $1.key }.map { operatorSets($0.key, $0.value) }
    return model
  }

  static func operatorSets(_ domain: String, _ version: Int64) -> ONNXOperatorSetIdProto {
    var set = ONNXOperatorSetIdProto()
    set.domain = domain
    set.version = version
    return set
  }

  static func graph(
    _ nodes: [ONNXNodeProto], inputs: [ONNXValueInfoProto] = [], outputs: [String] = [],
    initializers: [ONNXTensorProto] = [], name: String = "g"
  ) -> ONNXGraphProto {
    var graph = ONNXGraphProto()
    graph.name = name
    graph.node = nodes
    graph.input = inputs
    graph.output = outputs.map { name in
      var info = ONNXValueInfoProto()
      info.name = name
      return info
    }
    graph.initializer = initializers
    return graph
  }

  static func node(
    _ kind: String, _ inputs: [String], _ outputs: [String], _ attributes: [ONNXAttributeProto] = [], domain: String = "",
    name: String = ""
  ) -> ONNXNodeProto {
    var node = ONNXNodeProto()
    node.opType = kind
    node.input = inputs
    node.output = outputs
    node.attribute = attributes
    node.domain = domain
    node.name = name
    return node
  }

  /// - Parameter shape: an extent for each axis; -1 for one that nothing is said of.
  static func input(_ name: String, _ shape: [Int64]?, _ type: ElementType = .float32) -> ONNXValueInfoProto {
    var info = ONNXValueInfoProto()
    info.name = name
    info.type.tensorType.elemType = type.rawValue
    if let shape {
      info.type.tensorType.shape = ONNXTensorShapeProto()
      info.type.tensorType.shape.dim = shape.map { extent in
        var dimension = ONNXTensorShapeProto.Dimension()
        if extent >= 0 { dimension.dimValue = extent }
        return dimension
      }
    }
    return info
  }

  static func tensor(_ name: String, _ type: ElementType, _ dims: [Int64], raw: [UInt8] = []) -> ONNXTensorProto {
    var tensor = ONNXTensorProto()
    tensor.name = name
    tensor.dataType = type.rawValue
    tensor.dims = dims
    tensor.rawData = Data(raw)
    return tensor
  }

  static func floats(_ name: String, _ dims: [Int64], _ values: [Float]) -> ONNXTensorProto {
    var tensor = tensor(name, .float32, dims)
    tensor.floatData = values
    return tensor
  }

  static func integers(_ name: String, _ values: [Int64]) -> ONNXTensorProto {
    var tensor = tensor(name, .int64, [Int64(values.count)])
    tensor.int64Data = values
    return tensor
  }

  static func attribute(_ name: String, _ kind: ONNXAttributeProto.AttributeType) -> ONNXAttributeProto {
    var attribute = ONNXAttributeProto()
    attribute.name = name
    attribute.type = kind
    return attribute
  }

  static func int(_ name: String, _ value: Int64) -> ONNXAttributeProto {
    var result = attribute(name, .int)
    result.i = value
    return result
  }

  static func ints(_ name: String, _ values: [Int64]) -> ONNXAttributeProto {
    var result = attribute(name, .ints)
    result.ints = values
    return result
  }

  static func float(_ name: String, _ value: Float) -> ONNXAttributeProto {
    var result = attribute(name, .float)
    result.f = value
    return result
  }

  static func floats(_ name: String, _ values: [Float]) -> ONNXAttributeProto {
    var result = attribute(name, .floats)
    result.floats = values
    return result
  }

  static func string(_ name: String, _ value: String) -> ONNXAttributeProto {
    var result = attribute(name, .string)
    result.s = Data(value.utf8)
    return result
  }

  static func strings(_ name: String, _ values: [String]) -> ONNXAttributeProto {
    var result = attribute(name, .strings)
    result.strings = values.map { Data($0.utf8) }
    return result
  }

  static func graph(_ name: String, _ value: ONNXGraphProto) -> ONNXAttributeProto {
    var result = attribute(name, .graph)
    result.g = value
    return result
  }

  static func reference(_ name: String, to argument: String, _ kind: ONNXAttributeProto.AttributeType) -> ONNXAttributeProto {
    var result = attribute(name, kind)
    result.refAttrName = argument
    return result
  }

  static func function(
    _ name: String, domain: String = "local", inputs: [String], outputs: [String], attributes: [String] = [],
    defaults: [ONNXAttributeProto] = [], operatorSet: Int64 = 22, _ nodes: [ONNXNodeProto]
  ) -> ONNXFunctionProto {
    var function = ONNXFunctionProto()
    function.name = name
    function.domain = domain
    function.input = inputs
    function.output = outputs
    function.attribute = attributes
    function.attributeProto = defaults
    function.opsetImport = [operatorSets("", operatorSet), operatorSets("local", 1)]
    function.node = nodes
    return function
  }

  /// What the importer makes of a message.
  static func imported(
    _ model: ONNXModelProto, _ options: ONNXImporter.Options = ONNXImporter.Options()
  ) throws(ApusError) -> ModelDefinition {
    try ONNXImporter.survey(model, folder: nil, options).model.definition
  }

  /// The nodes of the main graph after import, one a line.
  static func listing(_ model: ONNXModelProto) throws(ApusError) -> [String] { try imported(model).listing() }
}

extension ModelDefinition {
  /// The nodes of a graph: `Add(x, [1, 2]) axis=1 -> y`. Values without a name are numbered, constants written out.
  func listing(_ graph: GraphID = 0) -> [String] {
    graphs[Int(graph)].nodes.map { node in
      let inputs = node.inputs.map { text($0, graph) }.joined(separator: ", ")
      let attributes = node.attributes.map { " " + $0.name.string + "=" + text($0.value) }.joined()
      let outputs = node.outputs.map { text($0, graph) }.joined(separator: ", ")
      return node.operatorName.string + "(" + inputs + ")" + attributes + " -> " + outputs
    }
  }

  private func text(_ id: ValueID, _ graph: GraphID) -> String {
    guard id >= 0 else { return "_" }
    let value = graphs[Int(graph)].values[Int(id)]
    if !value.name.isEmpty { return value.name.string }
    guard let constant = value.constant else { return "%\(id)" }
    return text(tensors[Int(constant)])
  }

  private func text(_ tensor: ConstantTensor) -> String {
    guard case .inline(let bytes) = tensor.storage else { return "..." }
    var items: [String] = []
    if let integers = tensor.elementType.integers(bytes) {
      items = integers.map { "\($0)" }
    } else if let floats = tensor.elementType.floats(bytes) {
      items = floats.map { "\(Float($0))" }
    }
    return tensor.dimensions.isEmpty ? items.joined() : "[" + items.joined(separator: ", ") + "]"
  }

  private func text(_ value: AttributeValue) -> String {
    switch value {
    case .int(let value): "\(value)"
    case .ints(let values): "\(values)"
    case .float(let value): "\(value)"
    case .floats(let values): "\(values)"
    case .string(let value): value.string
    case .graph(let id): "graph\(id)"
    case .tensor(let id): text(tensors[Int(id)])
    default: value.kind.text
    }
  }
}
