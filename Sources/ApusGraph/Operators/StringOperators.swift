// Operators on tensors of strings. They belong to the pack `extras`.

extension OperatorSchema {
  private static let text = TypeSet(.string)

  /// Strings of `X` and `Y` joined, element by element, with multidirectional broadcasting.
  public static let stringConcat = OperatorSchema(
    name: "StringConcat", versions: [20], inputs: [Parameter("X", text), Parameter("Y", text)],
    outputs: [Parameter("Z", text)]
  ) { context throws(ApusError) in
    guard let x = context.shape(0), let y = context.shape(1) else { return context.setOutput(0, .string, nil) }
    guard let shape = broadcast(x, y) else {
      throw context.error(
        "shapes can not be broadcast", input: 1, expected: "compatible with " + x.text(symbols: []),
        actual: y.text(symbols: []))
    }
    context.setOutput(0, .string, shape)
  }

  /// The parts of each string between delimiters (white space where that is empty), as a new last axis, and their number.
  public static let stringSplit = OperatorSchema(
    name: "StringSplit", versions: [20], inputs: [Parameter("X", text)],
    outputs: [Parameter("Y", text), Parameter("Z", TypeSet(.int64), group: 2)],
    attributes: [AttributeSchema("delimiter", .string), AttributeSchema("maxsplit", .int)]
  ) { context throws(ApusError) in
    context.setOutput(0, .string, context.shape(0).map { Shape($0.dimensions + [.unknown]) })
    context.setOutput(1, .int64, context.shape(0))
  }

  /// Whether the whole of each string matches `pattern`, a regular expression in RE2's syntax.
  public static let regexFullMatch = OperatorSchema(
    name: "RegexFullMatch", versions: [20], inputs: [Parameter("X", text)],
    outputs: [Parameter("Y", TypeSet(.bool), group: 2)], attributes: [AttributeSchema("pattern", .string)]
  ) { context throws(ApusError) in
    context.setOutput(0, .bool, context.shape(0))
  }

  /// Strings `[C]` or `[1, C]` without stop words, in another case.
  public static let stringNormalizer = OperatorSchema(
    name: "StringNormalizer", versions: [10], inputs: [Parameter("X", text)], outputs: [Parameter("Y", text)],
    attributes: [
      AttributeSchema("case_change_action", default: .string("NONE")), AttributeSchema("is_case_sensitive", default: .int(0)),
      AttributeSchema("locale", .string), AttributeSchema("stopwords", .strings),
    ]
  ) { context throws(ApusError) in
    guard let shape = context.shape(0) else { return context.setOutput(0, .string, nil) }
    guard shape.rank == 1 || (shape.rank == 2 && shape[0].value ?? 1 == 1) else {
      throw context.error("wrong shape", input: 0, expected: "[C] or [1, C]", actual: shape.text(symbols: []))
    }
    context.setOutput(0, .string, Shape(Array(shape.dimensions.dropLast() + [.unknown])))
  }

  /// How often n-grams of a pool stand in `X`, `[C]` or `[N, C]`, weighted: `[size]` or `[N, size]`.
  public static let tfIdfVectorizer = OperatorSchema(
    name: "TfIdfVectorizer", versions: [9], inputs: [Parameter("X", TypeSet(.string, .int32, .int64))],
    outputs: [Parameter("Y", TypeSet(.float32), group: 2)],
    attributes: [
      AttributeSchema("mode", .string, required: true), AttributeSchema("min_gram_length", .int, required: true),
      AttributeSchema("max_gram_length", .int, required: true), AttributeSchema("max_skip_count", .int, required: true),
      AttributeSchema("ngram_counts", .ints, required: true), AttributeSchema("ngram_indexes", .ints, required: true),
      AttributeSchema("pool_int64s", .ints), AttributeSchema("pool_strings", .strings), AttributeSchema("weights", .floats),
    ]
  ) { context throws(ApusError) in
    var largest = -1
    for index in context.attributes.ints("ngram_indexes") ?? [] {
      guard index >= 0, index < Int(Int32.max) else {
        throw context.attributeError("ngram_indexes", expected: "0 to 2^31 - 2", actual: "\(index)")
      }
      largest = max(largest, index)
    }
    guard let shape = context.shape(0) else { return context.setOutput(0, .float32, nil) }
    guard shape.rank == 1 || shape.rank == 2 else {
      throw context.error("wrong rank", input: 0, expected: "1 or 2", actual: "\(shape.rank)")
    }
    context.setOutput(0, .float32, Shape(Array(shape.dimensions.dropLast() + [.known(largest + 1)])))
  }
}
