import ApusGraph

/// The lists of a LabelEncoder as a map from keys, ordered for binary search, to places in the values.
private struct LabelMap<Key> {
  private var entries: [(key: Key, place: Int)]
  private let precedes: (Key, Key) -> Bool

  init(_ keys: [Key], _ precedes: @escaping (Key, Key) -> Bool) {
    self.precedes = precedes
    entries = sortedOrder(keys.count) { precedes(keys[$0], keys[$1]) }.map { (keys[$0], $0) }
  }

  /// The place of the last entry with the key, or nil.
  func place(of key: Key) -> Int? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = low + (high - low) / 2
      if precedes(key, entries[middle].key) { high = middle } else { low = middle + 1 }
    }
    guard low > 0, !precedes(entries[low - 1].key, key) else { return nil }
    return entries[low - 1].place
  }
}

extension HostBinding {
  static let labelEncoder = HostBinding("LabelEncoder", domain: .machineLearning) { context throws(ApusError) in
    let input = try context.tensor(0)
    let places = try places(of: input, context)
    let attributes = context.attributes
    if let values = attributes.strings("values_strings") {
      let other = (attributes.string("default_string") ?? "").bytes
      let strings = places.map { place in place.map { values[$0].bytes } ?? other }
      return context.setOutput(0, .tensor(try context.makeTensor(strings: strings, input.extents)))
    }
    if let values = attributes.ints("values_int64s") {
      let other = Int64(attributes.int("default_int64") ?? -1)
      let result = try context.makeTensor(.int64, input.extents)
      fill(result, places.map { place in place.map { Int64(values[$0]) } ?? other })
      return context.setOutput(0, .tensor(result))
    }
    let values = attributes.floats("values_floats") ?? []
    let other = attributes.float("default_float") ?? 0
    let result = try context.makeTensor(.float32, input.extents)
    fill(result, places.map { place in place.map { values[$0] } ?? other })
    context.setOutput(0, .tensor(result))
  }

  private static func fill<Element: BitwiseCopyable>(_ tensor: RuntimeTensor, _ elements: [Element]) {
    elements.withUnsafeBytes { tensor.mutableBytes.copyMemory(from: $0) }
  }

  /// For each element the place of its key in the list, or nil.
  private static func places(of input: RuntimeTensor, _ context: HostContext) throws(ApusError) -> [Int?] {
    if let keys = context.attributes.strings("keys_strings") {
      let map = LabelMap(keys.map { $0.bytes }) { $0.lexicographicallyPrecedes($1) }
      return input.strings.map { map.place(of: $0) }
    }
    if let keys = context.attributes.ints("keys_int64s") {
      let map = LabelMap(keys, <)
      return (input.elementType.integers(Array(input.bytes)) ?? []).map { map.place(of: Int($0)) }
    }
    // NaN stands behind all numbers and equals itself; -0 equals 0.
    let map = LabelMap((context.attributes.floats("keys_floats") ?? []).map { Double($0) }) { a, b in
      a < b || (!a.isNaN && b.isNaN)
    }
    return (input.elementType.floats(Array(input.bytes)) ?? []).map { map.place(of: $0) }
  }
}
