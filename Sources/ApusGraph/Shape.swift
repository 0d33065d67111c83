/// Index of a symbolic dimension in `ModelDefinition.symbols`.
public typealias SymbolID = Int32

/// One extent of a shape.
public enum Dimension: Hashable, Sendable {
  case known(Int)
  /// Chosen by the caller before a run; equal wherever the symbol stands.
  case symbol(SymbolID)
  /// Not expressible before the input shapes, or the data, are known.
  case unknown

  public var value: Int? {
    if case .known(let value) = self { value } else { nil }
  }
}

/// A symbolic dimension: a name and what the caller may choose for it.
public struct Symbol: Equatable, Sendable {
  public var name: Name
  /// Smallest allowed value; 0 where the file states none.
  public var minimum: Int
  /// Largest allowed value; nil where the file states none.
  public var maximum: Int?
  /// The value must be a multiple of this; 1 where the file states none.
  public var multiple: Int

  public init(name: Name, minimum: Int = 0, maximum: Int? = nil, multiple: Int = 1) {
    self.name = name
    self.minimum = minimum
    self.maximum = maximum
    self.multiple = multiple
  }
}

/// The extents of a tensor, outermost first. A scalar has none.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  public var dimensions: [Dimension]

  public init(_ dimensions: [Dimension]) { self.dimensions = dimensions }

  public init(_ values: [Int]) { dimensions = values.map { .known($0) } }

  public init(arrayLiteral values: Int...) { self.init(values) }

  public var rank: Int { dimensions.count }

  public subscript(axis: Int) -> Dimension {
    get { dimensions[axis] }
    set { dimensions[axis] = newValue }
  }

  /// The extents as numbers, or nil while one of them is symbolic or unknown.
  public var known: [Int]? {
    var values: [Int] = []
    values.reserveCapacity(rank)
    for dimension in dimensions {
      guard let value = dimension.value else { return nil }
      values.append(value)
    }
    return values
  }

  /// `[N, 3, ?, 224]`, with symbols by name.
  public func text(symbols: [Symbol]) -> String {
    var text = "["
    for (axis, dimension) in dimensions.enumerated() {
      if axis > 0 { text += ", " }
      switch dimension {
      case .known(let value): text += "\(value)"
      case .symbol(let id):
        text += Int(id) < symbols.count && id >= 0 ? symbols[Int(id)].name.string : "?"
      case .unknown: text += "?"
      }
    }
    return text + "]"
  }
}

/// The number of elements of a tensor with these extents; nil on overflow or a negative extent.
public func elementCount(_ extents: [Int]) -> Int? {
  var count = 1
  var isEmpty = false
  for extent in extents {
    guard extent >= 0 else { return nil }
    // An empty tensor may have extents whose product would overflow; it still has no elements.
    if extent == 0 {
      isEmpty = true
      continue
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    guard !overflow else { return nil }
    count = product
  }
  return isEmpty ? 0 : count
}
