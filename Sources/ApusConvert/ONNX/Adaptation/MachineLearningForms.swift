import ApusGraph

/// Operators of ai.onnx.ml in the forms that the registry has: classes, categories and tables are numbers, and a LabelEncoder
/// beside the operator makes strings of them, or them of strings.
enum MachineLearningForms {
  static let table: [OperatorKey: Lowering.Rule] = {
    var table: [OperatorKey: Lowering.Rule] = [:]
    for rule in rules { table[OperatorKey(.machineLearning, rule.name)] = rule }
    return table
  }()

  private static let rules: [Lowering.Rule] = [
    Lowering.Rule("ArrayFeatureExtractor", { node throws(ApusError) in try pickedStrings(node) }),
    Lowering.Rule("CategoryMapper", { node throws(ApusError) in try categoryMap(node) }),
    Lowering.Rule("LabelEncoder", { node throws(ApusError) in try labelEncoder(node) }),
    Lowering.Rule("LinearClassifier", { node throws(ApusError) in try classes(node, "classlabels_ints") }),
    Lowering.Rule("OneHotEncoder", { node throws(ApusError) in try categories(node) }),
    Lowering.Rule("SVMClassifier", { node throws(ApusError) in try classes(node, "classlabels_ints") }),
    Lowering.Rule("TreeEnsembleClassifier", { node throws(ApusError) in try classes(node, "classlabels_int64s") }),
    Lowering.Rule("ZipMap", { node throws(ApusError) in try columns(node) }),
  ]

  private static func places(_ count: Int) -> [Int64] { (0..<count).map { Int64($0) } }

  private static func strings(_ node: Adaptation, _ name: Name) -> [Name]? {
    guard case .strings(let values) = node.attribute(name) else { return nil }
    node.take(name)
    return values.isEmpty ? nil : values
  }

  /// Classes that are strings: numbers here, of which a LabelEncoder makes the strings.
  private static func classes(_ node: Adaptation, _ integers: Name) throws(ApusError) {
    guard let labels = strings(node, "classlabels_strings") else { return }
    try node.requireInputs(1)
    // The only class of a model is told from 0, which stands for none.
    let numbers = labels.count == 1 ? [1] : places(labels.count)
    node.set(integers, .ints(numbers))
    node.follow(
      output: 0, "LabelEncoder",
      [
        Attribute("keys_int64s", .ints(numbers)), Attribute("values_strings", .strings(labels)),
        Attribute("default_string", .string("")),
      ], domain: .machineLearning
    ) { [$0] }
  }

  /// Categories that are strings: their places, with -1 for none of them.
  private static func categories(_ node: Adaptation) throws(ApusError) {
    guard let names = strings(node, "cats_strings") else { return }
    try node.requireInputs(1)
    let places = places(names.count)
    let encoded = try node.emit(
      "LabelEncoder", [node.input(0)],
      [
        Attribute("keys_strings", .strings(names)), Attribute("values_int64s", .ints(places)),
        Attribute("default_int64", .int(-1)),
      ], domain: .machineLearning)
    node.setInput(0, encoded)
    node.set("cats_int64s", .ints(places))
  }

  private static func labelEncoder(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    if let names = strings(node, "classes_strings") { return try namedClasses(node, names) }
    try keyTensor(node)
    try valueTensor(node)
  }

  /// Version 1: strings to their places in the list, or places to strings.
  private static func namedClasses(_ node: Adaptation, _ names: [Name]) throws(ApusError) {
    var attributes = node.node.attributes
    if node.tensorType(node.input(0))?.elementType == .string {
      attributes += [Attribute("keys_strings", .strings(names)), Attribute("values_int64s", .ints(places(names.count)))]
    } else {
      attributes += [Attribute("keys_int64s", .ints(places(names.count))), Attribute("values_strings", .strings(names))]
    }
    node.replace("Identity", [try node.emit("LabelEncoder", [node.input(0)], attributes, domain: .machineLearning)])
  }

  /// A map from classes to the values of a row, which Apus leaves as the row: the order of the classes goes into the metadata.
  private static func columns(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    let keys: String
    if let names = strings(node, "classlabels_strings") {
      keys = names.map(\.string).joined(separator: ", ")
    } else if let numbers = try node.takeInts("classlabels_int64s"), !numbers.isEmpty {
      keys = numbers.map { "\($0)" }.joined(separator: ", ")
    } else {
      throw node.missing("classlabels_int64s' or 'classlabels_strings")
    }
    let name = node.builder.name(of: ValueReference(graph: node.graph, id: node.output(0)))
    node.builder.addEntry(Name("onnx.columns." + name), Name(keys))
    node.builder.note(
      "'\(name)' is a tensor with a column for each class (\(keys)) in place of a sequence of maps from the classes (ZipMap)")
    node.replace("Identity", [node.input(0)])
  }

  /// Elements of a row of strings, by place: a LabelEncoder from places to strings.
  private static func pickedStrings(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(2)
    guard let type = node.tensorType(node.input(0)), type.elementType == .string else { return }
    let value = node.builder.value(ValueReference(graph: node.graph, id: node.input(0)))
    guard let tensor = value.constant else { throw node.unsupported("strings to pick from that are no constant") }
    let extents = node.builder.definition.tensors[Int(tensor)].dimensions
    guard extents.dropLast().allSatisfy({ $0 == 1 }), !extents.isEmpty else {
      throw node.unsupported("strings to pick from in more than one row")
    }
    let names = names(try node.builder.bytes(of: tensor), extents)
    let row = try node.emit("Reshape", [node.input(1), try node.constant([1, -1])])
    node.replace(
      "Identity",
      [
        try node.emit(
          "LabelEncoder", [row],
          [
            Attribute("keys_int64s", .ints(places(names.count))), Attribute("values_strings", .strings(names)),
            Attribute("default_string", .string("")),
          ], domain: .machineLearning)
      ])
  }

  /// Strings to the numbers beside them, or numbers to strings.
  private static func categoryMap(_ node: Adaptation) throws(ApusError) {
    try node.requireInputs(1)
    guard let names = strings(node, "cats_strings"), let numbers = try node.takeInts("cats_int64s") else {
      throw node.missing("cats_strings' or 'cats_int64s")
    }
    let other = (string: node.take("default_string"), number: node.take("default_int64"))
    let attributes: [Attribute]
    if node.tensorType(node.input(0))?.elementType == .string {
      attributes = [
        Attribute("keys_strings", .strings(names)), Attribute("values_int64s", .ints(numbers)),
        Attribute("default_int64", other.number ?? .int(-1)),
      ]
    } else {
      attributes = [
        Attribute("keys_int64s", .ints(numbers)), Attribute("values_strings", .strings(names)),
        Attribute("default_string", other.string ?? .string("_Unused")),
      ]
    }
    node.replace("Identity", [try node.emit("LabelEncoder", [node.input(0)], attributes, domain: .machineLearning)])
  }

  private static func tensor(_ node: Adaptation, _ name: Name) -> TensorID? {
    guard case .tensor(let id) = node.attribute(name) else { return nil }
    node.take(name)
    return id
  }

  /// Keys as a tensor: the list of their type, the operand widened to it.
  private static func keyTensor(_ node: Adaptation) throws(ApusError) {
    guard let id = tensor(node, "keys_tensor") else { return }
    let type = node.builder.definition.tensors[Int(id)].elementType
    let bytes = try node.builder.bytes(of: id)
    if type == .string {
      node.set("keys_strings", .strings(names(bytes, node.builder.definition.tensors[Int(id)].dimensions)))
    } else if let integers = type.integers(bytes) {
      node.set("keys_int64s", .ints(integers))
      if type != .int64 {
        node.setInput(0, try node.emit("Cast", [node.input(0)], [Attribute("to", .int(Int64(ElementType.int64.rawValue)))]))
      }
    } else if type == .float32, let floats = type.floats(bytes) {
      node.set("keys_floats", .floats(floats.map { Float($0) }))
    } else {
      throw node.unsupported(
        "keys of this element type", expected: "strings, integers or float32", actual: type.name.text)
    }
  }

  /// Values as a tensor of numbers: the operator finds their places, a Gather the values, of which the default is the last.
  private static func valueTensor(_ node: Adaptation) throws(ApusError) {
    let other = tensor(node, "default_tensor")
    guard let id = tensor(node, "values_tensor") else { return }
    let values = node.builder.definition.tensors[Int(id)]
    var bytes = try node.builder.bytes(of: id)
    let defaultBytes = try other.map { id throws(ApusError) in try node.builder.bytes(of: id) }
    guard values.elementType != .string else {
      node.set("values_strings", .strings(names(bytes, values.dimensions)))
      if let defaultBytes { node.set("default_string", .string(names(defaultBytes, [1]).first ?? "_Unused")) }
      return
    }
    guard let count = elementCount(values.dimensions), let width = values.elementType.byteWidth,
      bytes.count == count * width
    else {
      throw node.unsupported("values of this element type", expected: "numbers", actual: values.elementType.name.text)
    }
    if let defaultBytes, defaultBytes.count >= width {
      bytes += defaultBytes[..<width]
    } else if let minusOne = values.elementType.bytes(of: [-1]) {
      bytes += minusOne
    } else {
      // -0
      bytes += Array(repeating: 0, count: width - 1) + [0x80]
    }
    let table = node.constant(try node.builder.addTensor(values.elementType, [count + 1], bytes))
    node.set("values_int64s", .ints(places(count)))
    node.set("default_int64", .int(Int64(count)))
    node.follow(output: 0, "Gather") { [table, $0] }
  }

  /// The elements of a tensor of strings: offsets of 64 bits, one more than elements, then the text.
  private static func names(_ bytes: [UInt8], _ dimensions: [Int]) -> [Name] {
    guard let count = elementCount(dimensions), bytes.count / 8 > count else { return [] }
    func offset(_ index: Int) -> Int {
      var value = 0
      for byte in 0..<7 { value |= Int(bytes[8 * index + byte]) << (8 * byte) }
      return value
    }
    let text = bytes[(8 * (count + 1))...]
    var result: [Name] = []
    for index in 0..<count {
      let (begin, end) = (offset(index), offset(index + 1))
      guard begin <= end, end <= text.count else { return result }
      result.append(Name(bytes: Array(text[(text.startIndex + begin)..<(text.startIndex + end)])))
    }
    return result
  }
}
