import ApusGraph

/// The n-grams of a TfIdfVectorizer as a tree: from each node, a term leads to another one.
private struct TermTree {
  private struct Edge: Hashable {
    var node: Int
    var term: Int
  }

  private var children: [Edge: Int] = [:]
  /// By node: the n-gram that ends there, or nil.
  private(set) var grams: [Int?] = [nil]
  /// Terms by number; equal terms have one.
  private var words: [Name: Int] = [:]
  private var integers: [Int64: Int] = [:]

  func term(_ word: Name) -> Int? { words[word] }
  func term(_ integer: Int64) -> Int? { integers[integer] }

  mutating func addTerm(_ word: Name) -> Int {
    if let known = words[word] { return known }
    words[word] = words.count
    return words.count - 1
  }

  mutating func addTerm(_ integer: Int64) -> Int {
    if let known = integers[integer] { return known }
    integers[integer] = integers.count
    return integers.count - 1
  }

  func child(_ node: Int, _ term: Int) -> Int? { children[Edge(node: node, term: term)] }

  mutating func insert(_ terms: ArraySlice<Int>, _ gram: Int) {
    var node = 0
    for term in terms {
      let edge = Edge(node: node, term: term)
      if let next = children[edge] {
        node = next
      } else {
        children[edge] = grams.count
        node = grams.count
        grams.append(nil)
      }
    }
    grams[node] = gram
  }
}

extension HostBinding {
  static let tfIdfVectorizer = HostBinding("TfIdfVectorizer") { context throws(ApusError) in
    let attributes = context.attributes
    let indexes = attributes.ints("ngram_indexes") ?? []
    let size = (indexes.max() ?? -1) + 1
    let weights = attributes.floats("weights") ?? []
    let mode = attributes.string("mode") ?? "TF"
    guard mode == "TF" || mode == "IDF" || mode == "TFIDF" else {
      throw context.node.context.attributeError("mode", expected: "TF, IDF or TFIDF", actual: mode.string)
    }
    guard weights.isEmpty || weights.count == indexes.count else {
      throw context.node.context.attributeError(
        "weights", expected: "\(indexes.count), one an n-gram", actual: "\(weights.count)")
    }
    let tree = try termTree(context, indexes.count)
    let tensor = try context.tensor(0)
    let terms: [Int]
    if tensor.elementType == .string {
      terms = tensor.strings.map { tree.term(Name(bytes: $0)) ?? -1 }
    } else {
      terms = (tensor.elementType.integers(Array(tensor.bytes)) ?? []).map { tree.term($0) ?? -1 }
    }
    let rows = tensor.extents.count == 2 ? tensor.extents[0] : 1
    let length = tensor.extents.last ?? 0
    let result = try context.makeTensor(.float32, tensor.extents.count == 2 ? [rows, size] : [size])
    let values = result.mutableBytes.bindMemory(to: Float.self)
    values.update(repeating: 0)
    for row in 0..<rows {
      count(terms[(row * length)..<((row + 1) * length)], tree, context) { gram in values[row * size + indexes[gram]] += 1 }
    }
    // The weight of an output is that of the n-gram counted there.
    for (gram, index) in indexes.enumerated() where mode != "TF" {
      for row in 0..<rows {
        let place = row * size + index
        let weight = weights.isEmpty ? 1 : weights[gram]
        values[place] = mode == "IDF" ? (values[place] > 0 ? weight : 0) : values[place] * weight
      }
    }
    context.setOutput(0, .tensor(result))
  }

  /// The n-grams of the pool, of the lengths that are asked for.
  private static func termTree(_ context: HostContext, _ gramCount: Int) throws(ApusError) -> TermTree {
    let attributes = context.attributes
    var tree = TermTree()
    var pool: [Int] = []
    if let words = attributes.strings("pool_strings") {
      for word in words { pool.append(tree.addTerm(word)) }
    } else {
      for integer in attributes.ints("pool_int64s") ?? [] { pool.append(tree.addTerm(Int64(integer))) }
    }
    let lengths = try gramLengths(context)
    let counts = attributes.ints("ngram_counts") ?? []
    var gram = 0
    for (position, start) in counts.enumerated() {
      let end = position + 1 < counts.count ? counts[position + 1] : pool.count
      let length = position + 1
      guard start >= 0, start <= end, end <= pool.count, (end - start) % length == 0 else {
        throw context.node.context.attributeError(
          "ngram_counts", expected: "ascending starts of whole n-grams in the pool", actual: "\(start)")
      }
      for first in stride(from: start, to: end, by: length) {
        if lengths.contains(length) { tree.insert(pool[first..<(first + length)], gram) }
        gram += 1
      }
    }
    guard gram == gramCount else {
      throw context.node.context.attributeError(
        "ngram_indexes", expected: "\(gram), one an n-gram of the pool", actual: "\(gramCount)")
    }
    return tree
  }

  private static func gramLengths(_ context: HostContext) throws(ApusError) -> ClosedRange<Int> {
    let (least, most) = (
      context.attributes.int("min_gram_length") ?? 1, context.attributes.int("max_gram_length") ?? 1
    )
    guard least >= 1, most >= least else {
      throw context.node.context.attributeError(
        "max_gram_length", expected: "1 <= min_gram_length <= max_gram_length", actual: "\(least) and \(most)")
    }
    return least...most
  }

  /// Tells every n-gram of a row: neighbours, then terms 1 ... max_skip_count apart from each other.
  private static func count(_ terms: ArraySlice<Int>, _ tree: TermTree, _ context: HostContext, found: (Int) -> Void) {
    var least = context.attributes.int("min_gram_length") ?? 1
    let most = context.attributes.int("max_gram_length") ?? 1
    let skips = min(max(context.attributes.int("max_skip_count") ?? 0, 0), terms.count)
    for distance in 1...(skips + 1) {
      for start in terms.indices {
        var (node, length) = (0, 0)
        for position in stride(from: start, to: terms.endIndex, by: distance) {
          guard length < most, let next = tree.child(node, terms[position]) else { break }
          (node, length) = (next, length + 1)
          if length >= least, let gram = tree.grams[node] { found(gram) }
        }
      }
      // Single terms do not depend on the distance: they are counted once.
      if least == 1 { least = 2 }
      if least > most { return }
    }
  }
}
