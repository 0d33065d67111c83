import ApusFormatWriter
import ApusGraph
import ApusSafetensors

/// What became of a model's weights.
public struct WeightSummary: Sendable {
  public let type: WeightType
  /// Tensors and elements that were rounded.
  public internal(set) var tensors = 0
  public internal(set) var elements: UInt64 = 0
  /// The largest error of a weight as a part of it, and as it is. The first leaves out weights below the type's smallest normal.
  public internal(set) var largestRelativeError = 0.0
  public internal(set) var largestError = 0.0
  /// Weights that stayed float32, and why.
  public internal(set) var kept: [(name: String, reason: String)] = []

  init(_ type: WeightType) { self.type = type }

  /// `12 tensors of fp16, 25.5 MiB saved; a weight's error at most 0.000488 of it, 3.1e-05`.
  var text: String {
    guard tensors > 0 || !kept.isEmpty else { return "all float32: no tensor is nothing but weights" }
    var text = Self.counted(tensors) + " of \(type.rawValue), \(Quantity.bytes(2 * elements)) saved; "
    text += "a weight's error at most \(Quantity.error(largestRelativeError)) of it and \(Quantity.error(largestError))"
    if !kept.isEmpty { text += "; " + Self.counted(kept.count) + " beyond its range, float32" }
    return text
  }
}

extension WeightSummary {
  private static func counted(_ tensors: Int) -> String { "\(Quantity.count(tensors)) tensor" + (tensors == 1 ? "" : "s") }

  var json: JSONValue {
    [
      "type": .string(type.rawValue), "tensors": JSONValue(tensors), "elements": JSONValue(elements),
      "largest_relative_error": .float(largestRelativeError), "largest_error": .float(largestError),
      "kept": .array(kept.map { ["tensor": .string($0.name), "reason": .string($0.reason)] }),
    ]
  }
}

/// Stores weights with 16 bits and casts them to float32 before their readers: what a model means is exact, in this release and
/// in every other that reads the file.
struct WeightRounding {
  private let type: WeightType
  private var definition: ModelDefinition
  private let data: TensorData
  private(set) var summary: WeightSummary
  /// By tensor id. Of rounded tensors `data` still gives the float32 bytes.
  private var isRounded: [Bool]

  /// Smaller tensors save less than the Cast before their readers costs.
  private static let leastElements = 256

  /// Rounds the weights of a model.
  /// - Parameter cast: the version of the operator that the registry has.
  static func round(_ model: inout ImportedModel, to type: WeightType, cast: Int32) throws(ApusError) -> WeightSummary {
    var rounding = WeightRounding(model, type)
    for id in WeightSlots(model.definition).tensors() { try rounding.round(id) }
    guard rounding.summary.tensors > 0 else { return rounding.summary }
    rounding.insertCasts(cast)
    try rounding.widenTolerances()
    rounding.definition.metadata.entries.append(
      Metadata.Entry(key: "apus.weights", value: Name(rounding.summary.text)))
    rounding.definition.metadata.entries.sort { $0.key < $1.key }
    model.definition = rounding.definition
    model.data = rounding.halvedData
    return rounding.summary
  }

  private init(_ model: ImportedModel, _ type: WeightType) {
    self.type = type
    definition = model.definition
    data = model.data
    summary = WeightSummary(type)
    isRounded = model.definition.tensors.map { _ in false }
  }

  // MARK: Elements

  private mutating func round(_ id: TensorID) throws(ApusError) {
    let tensor = definition.tensors[Int(id)]
    guard tensor.elementType == .float32, tensor.quantization == nil, let count = elementCount(tensor.dimensions),
      count >= Self.leastElements
    else { return }
    var halves: [UInt8]?
    if case .inline(let bytes) = tensor.storage {
      halves = []
      halves?.reserveCapacity(bytes.count / 2)
    }
    var errors = (relative: 0.0, absolute: 0.0)
    let smallest = type == .float16 ? 0x1p-14 : 0x1p-126
    var beyond: Float?
    try forEachPart(.model(id), tensor) { values in
      for value in values {
        let bits = type.rounded(value)
        let rounded = type.value(bits)
        if rounded.isFinite != value.isFinite, beyond == nil { beyond = value }
        if value.isFinite, rounded.isFinite {
          let error = abs(Double(rounded) - Double(value))
          errors.absolute = max(errors.absolute, error)
          if abs(Double(value)) >= smallest { errors.relative = max(errors.relative, error / abs(Double(value))) }
        }
        if halves != nil {
          halves?.append(UInt8(truncatingIfNeeded: bits))
          halves?.append(UInt8(truncatingIfNeeded: bits >> 8))
        }
      }
    }
    if let beyond {
      summary.kept.append((tensor.name.string, "\(beyond) is beyond the range of \(type.rawValue)"))
      return
    }
    definition.tensors[Int(id)].elementType = type.elementType
    if let halves {
      definition.tensors[Int(id)].storage = .inline(halves)
    } else {
      definition.tensors[Int(id)].storage = .segment(index: 0, offset: 0, length: UInt64(2 * count))
    }
    isRounded[Int(id)] = true
    summary.tensors += 1
    summary.elements += UInt64(count)
    summary.largestRelativeError = max(summary.largestRelativeError, errors.relative)
    summary.largestError = max(summary.largestError, errors.absolute)
  }

  private func forEachPart(
    _ reference: TensorReference, _ tensor: ConstantTensor, _ body: ([Float]) -> Void
  ) throws(ApusError) {
    switch tensor.storage {
    case .inline(let bytes): body(Self.floats(bytes[...]))
    case .segment(_, _, let length):
      var done: UInt64 = 0
      while done < length {
        var part = [UInt8](repeating: 0, count: Int(min(length - done, 1 << 20)))
        try Self.fill(&part, data, reference, done)
        body(Self.floats(part[...]))
        done += UInt64(part.count)
      }
    }
  }

  private static func fill(
    _ part: inout [UInt8], _ data: TensorData, _ reference: TensorReference, _ offset: UInt64
  ) throws(ApusError) {
    try part.withUnsafeMutableBufferPointer { (target) throws(ApusError) in
      try data(reference, offset, UnsafeMutableRawBufferPointer(target))
    }
  }

  private static func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
    bytes.withUnsafeBytes { source in
      (0..<source.count / 4).map { source.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  /// The bytes of tensors that are not inline, rounded ones as such.
  private var halvedData: TensorData {
    let (data, isRounded, type) = (data, isRounded, type)
    return { (reference, offset, target) throws(ApusError) in
      guard case .model(let id) = reference, Int(id) < isRounded.count, isRounded[Int(id)] else {
        return try data(reference, offset, target)
      }
      // Parts may begin and end within an element.
      let (first, end) = (offset / 2, (offset + UInt64(target.count) + 1) / 2)
      var wide = [UInt8](repeating: 0, count: Int(4 * (end - first)))
      try Self.fill(&wide, data, reference, 4 * first)
      for (index, value) in Self.floats(wide[...]).enumerated() {
        let bits = type.rounded(value)
        for (half, byte) in [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)].enumerated() {
          let place = 2 * (Int(first) + index) + half - Int(offset)
          if target.indices.contains(place) { target[place] = byte }
        }
      }
    }
  }

  // MARK: Graph

  /// Each value that was a rounded constant becomes what a Cast makes of it.
  private mutating func insertCasts(_ version: Int32) {
    for index in definition.graphs.indices {
      var graph = definition.graphs[index]
      var casts: [Node] = []
      var names = Set(graph.values.map(\.name))
      for id in graph.values.indices {
        guard let tensor = graph.values[id].constant, isRounded[Int(tensor)] else { continue }
        let name = graph.values[id].name
        let stored = definition.tensors[Int(tensor)]
        graph.values.append(
          Value(
            name: storedName(name, &names),
            type: .tensor(TensorType(stored.elementType, Shape(stored.dimensions))), constant: tensor))
        graph.values[id].constant = nil
        graph.values[id].type = .tensor(TensorType(.float32, Shape(stored.dimensions)))
        casts.append(
          Node(
            name: name, operatorName: "Cast", sinceVersion: version, inputs: [ValueID(graph.values.count - 1)],
            outputs: [ValueID(id)], attributes: [Attribute("to", .int(Int64(ElementType.float32.rawValue)))]))
      }
      graph.nodes = casts + graph.nodes
      definition.graphs[index] = graph
    }
  }

  private func storedName(_ name: Name, _ names: inout Set<Name>) -> Name {
    guard !name.isEmpty else { return name }
    var made = Name(name.string + "." + type.rawValue)
    while !names.insert(made).inserted { made = Name(made.string + "'") }
    return made
  }

  /// Outputs of the source were made with other weights: theirs may differ by what 16 roundings of a weight make of the largest.
  private mutating func widenTolerances() throws(ApusError) {
    for (index, vector) in definition.metadata.testVectors.enumerated() {
      var largest: Float = 0
      for (position, output) in vector.outputs.enumerated() where output.tensor.elementType == .float32 {
        try forEachPart(.testOutput(vector: index, index: position), output.tensor) { values in
          for value in values where value.isFinite { largest = max(largest, abs(value)) }
        }
      }
      let bound = 16 * Float(type.unitRoundoff) * largest
      definition.metadata.testVectors[index].absoluteTolerance = max(
        definition.metadata.testVectors[index].absoluteTolerance, bound)
    }
  }
}
