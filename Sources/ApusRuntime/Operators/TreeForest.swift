import ApusGraph
import CApusKernels

/// The trees of an ensemble as the kernel walks them: checked, without cycles.
struct TreeForest {
  var nodes: [apusk_tree_node] = []
  /// Leaf l has the votes `leaves[l] ..< leaves[l + 1]`.
  var leaves: [Int64] = [0]
  var votes: [apusk_tree_vote] = []
  var members: [Double] = []
  /// A node, or the leaf `-1 - root`, for each tree.
  var roots: [Int64] = []
  var base: [Double] = []

  /// Numbers of a list attribute, or of a tensor attribute that may stand in its place.
  static func numbers(_ builder: PlanBuilder, _ node: BoundNode, _ name: StaticString, tensor: StaticString) throws(ApusError)
    -> [Double]
  {
    if let floats = node.attributes.floats(name) { return floats.map { Double($0) } }
    return try numbers(builder, node, tensor: tensor)
  }

  static func numbers(_ builder: PlanBuilder, _ node: BoundNode, tensor name: StaticString) throws(ApusError) -> [Double] {
    guard let id = node.attributes.tensor(name) else { return [] }
    let type = builder.constants.tensors[Int(id)].elementType
    let bytes = try builder.constants.contents(id)
    if let floats = type.floats(bytes) { return floats }
    guard let integers = type.integers(bytes) else {
      throw node.context.attributeError(name, expected: "a tensor of numbers", actual: type.name.text)
    }
    return integers.map { Double($0) }
  }

  /// Adds a leaf's votes.
  mutating func addLeaf(_ leafVotes: [apusk_tree_vote]) {
    votes += leafVotes
    leaves.append(Int64(votes.count))
  }

  /// Demands indices in range, and that no path comes back to where it was.
  func check(_ node: BoundNode, features: Int, targets: Int) throws(ApusError) {
    func require(_ condition: Bool, _ what: String) throws(ApusError) {
      guard condition else {
        throw ApusError(.invalidAttribute, "the trees do not hang together: " + what, operatorName: node.node.node.label)
      }
    }
    func isChild(_ child: Int64) -> Bool { child >= 0 ? child < nodes.count : -1 - child < leaves.count - 1 }
    for vote in votes { try require(vote.target >= 0 && vote.target < targets, "a target is out of range") }
    for root in roots { try require(isChild(root), "a root is out of range") }
    var parents = Array(repeating: 0, count: nodes.count)
    for entry in nodes {
      try require(entry.feature >= 0 && entry.feature < features, "feature \(entry.feature) of \(features)")
      try require(isChild(entry.on_true) && isChild(entry.on_false), "a child is out of range")
      for child in [entry.on_true, entry.on_false] where child >= 0 { parents[Int(child)] += 1 }
    }
    // Nodes without parents are taken away until none is left; those on a cycle always have one.
    var free = parents.indices.filter { parents[$0] == 0 }
    var taken = 0
    while let next = free.popLast() {
      taken += 1
      for child in [nodes[next].on_true, nodes[next].on_false] where child >= 0 {
        parents[Int(child)] -= 1
        if parents[Int(child)] == 0 { free.append(Int(child)) }
      }
    }
    try require(taken == nodes.count, "a branch leads back to itself")
  }
}

extension TreeForest {
  /// The lists of TreeEnsemble: nodes and leaves by their places.
  init(placed builder: PlanBuilder, _ node: BoundNode) throws(ApusError) {
    func list(_ name: StaticString) -> [Int] { node.attributes.ints(name) ?? [] }
    let features = list("nodes_featureids")
    let (onTrue, onFalse) = (list("nodes_truenodeids"), list("nodes_falsenodeids"))
    let (trueIsLeaf, falseIsLeaf) = (list("nodes_trueleafs"), list("nodes_falseleafs"))
    let missing = list("nodes_missing_value_tracks_true")
    let modes = try TreeForest.numbers(builder, node, tensor: "nodes_modes")
    let splits = try TreeForest.numbers(builder, node, tensor: "nodes_splits")
    members = try TreeForest.numbers(builder, node, tensor: "membership_values")
    for count in [onTrue.count, onFalse.count, trueIsLeaf.count, falseIsLeaf.count, modes.count, splits.count]
    where count != features.count {
      throw node.context.error("the lists nodes_* have several lengths", expected: "\(features.count)", actual: "\(count)")
    }
    guard missing.isEmpty || missing.count == features.count else {
      throw node.context.attributeError(
        "nodes_missing_value_tracks_true", expected: "\(features.count) entries", actual: "\(missing.count)")
    }
    var firstMember = 0
    for place in features.indices {
      var entry = apusk_tree_node()
      let mode = modes[place]
      guard mode >= 0, mode <= 6, let kind = Int32(exactly: mode) else {
        throw node.context.attributeError("nodes_modes", expected: "0 to 6", actual: "\(mode)")
      }
      entry.mode = kind
      entry.split = splits[place]
      entry.feature = Int64(features[place])
      entry.on_true = Int64(trueIsLeaf[place] != 0 ? ~onTrue[place] : onTrue[place])
      entry.on_false = Int64(falseIsLeaf[place] != 0 ? ~onFalse[place] : onFalse[place])
      entry.nan_is_true = missing.isEmpty || missing[place] == 0 ? 0 : 1
      if kind == APUSK_TREE_MEMBER {
        // The sets stand one after the other, each up to a NaN.
        let end = members[firstMember...].firstIndex { $0.isNaN } ?? members.count
        entry.first_member = Int64(firstMember)
        entry.end_member = Int64(end)
        firstMember = min(end + 1, members.count)
      }
      nodes.append(entry)
    }
    let weights = try TreeForest.numbers(builder, node, tensor: "leaf_weights")
    let targets = list("leaf_targetids")
    guard weights.count == targets.count else {
      throw node.context.error("leaf_weights and leaf_targetids differ", expected: "\(weights.count)", actual: "\(targets.count)")
    }
    for (weight, target) in zip(weights, targets) { addLeaf([apusk_tree_vote(weight: weight, target: Int64(target))]) }
    roots = list("tree_roots").map { Int64($0) }
  }

  /// The lists of TreeEnsembleClassifier and -Regressor: nodes by (tree id, node id), leaves among them.
  /// - Parameter kind: `class` or `target`, which the lists of votes are called after.
  init(numbered builder: PlanBuilder, _ node: BoundNode, votes kind: VoteLists) throws(ApusError) {
    func list(_ name: StaticString) -> [Int] { node.attributes.ints(name) ?? [] }
    let (trees, numbers) = (list("nodes_treeids"), list("nodes_nodeids"))
    let (onTrue, onFalse) = (list("nodes_truenodeids"), list("nodes_falsenodeids"))
    let (features, missing) = (list("nodes_featureids"), list("nodes_missing_value_tracks_true"))
    let modes = node.attributes.strings("nodes_modes") ?? []
    let splits = try TreeForest.numbers(builder, node, "nodes_values", tensor: "nodes_values_as_tensor")
    base = try TreeForest.numbers(builder, node, "base_values", tensor: "base_values_as_tensor")
    for count in [numbers.count, onTrue.count, onFalse.count, features.count, modes.count, splits.count]
    where count != trees.count {
      throw node.context.error("the lists nodes_* have several lengths", expected: "\(trees.count)", actual: "\(count)")
    }
    let names = NodeNames(trees, numbers)
    // First where each node goes: branches and leaves are counted apart.
    var children: [Int64] = []
    var leafCount: Int64 = 0
    var branchCount: Int64 = 0
    for mode in modes {
      if mode == "LEAF" {
        children.append(-1 - leafCount)
        leafCount += 1
      } else {
        children.append(branchCount)
        branchCount += 1
      }
    }
    func child(_ tree: Int, _ number: Int) throws(ApusError) -> Int64 {
      guard let place = names.place(tree, number) else {
        throw node.context.error("a branch leads to no node", actual: "node \(number) of tree \(tree)")
      }
      return children[place]
    }
    for place in trees.indices where modes[place] != "LEAF" {
      var entry = apusk_tree_node()
      entry.mode = try TreeForest.mode(modes[place], node)
      entry.split = splits[place]
      entry.feature = Int64(features[place])
      entry.on_true = try child(trees[place], onTrue[place])
      entry.on_false = try child(trees[place], onFalse[place])
      entry.nan_is_true = place < missing.count && missing[place] != 0 ? 1 : 0
      nodes.append(entry)
    }
    // A tree begins with its first node; trees come in the order of their ids.
    roots = names.firstOfEachTree().map { children[$0] }
    try addVotes(builder, node, kind, leafCount: Int(leafCount)) { tree, number throws(ApusError) in
      let place = try child(tree, number)
      guard place < 0 else { throw node.context.error("a vote belongs to a node that is no leaf", actual: "node \(number)") }
      return Int(-1 - place)
    }
  }

  private mutating func addVotes(
    _ builder: PlanBuilder, _ node: BoundNode, _ kind: VoteLists, leafCount: Int,
    leaf: (Int, Int) throws(ApusError) -> Int
  ) throws(ApusError) {
    let trees = node.attributes.ints(kind.trees) ?? []
    let numbers = node.attributes.ints(kind.nodes) ?? []
    let targets = node.attributes.ints(kind.targets) ?? []
    let weights = try TreeForest.numbers(builder, node, kind.weights, tensor: kind.weightTensor)
    for count in [numbers.count, targets.count, weights.count] where count != trees.count {
      throw node.context.error("the lists of votes have several lengths", expected: "\(trees.count)", actual: "\(count)")
    }
    var byLeaf: [(leaf: Int, place: Int)] = []
    for place in trees.indices { byLeaf.append((try leaf(trees[place], numbers[place]), place)) }
    byLeaf = byLeaf.inOrder { $0.leaf < $1.leaf }
    var next = 0
    for leaf in 0..<leafCount {
      var own: [apusk_tree_vote] = []
      while next < byLeaf.count, byLeaf[next].leaf == leaf {
        let place = byLeaf[next].place
        own.append(apusk_tree_vote(weight: weights[place], target: Int64(targets[place])))
        next += 1
      }
      addLeaf(own)
    }
  }

  private static func mode(_ name: Name, _ node: BoundNode) throws(ApusError) -> Int32 {
    if name == "BRANCH_LEQ" { return APUSK_TREE_LEQ }
    if name == "BRANCH_LT" { return APUSK_TREE_LT }
    if name == "BRANCH_GTE" { return APUSK_TREE_GTE }
    if name == "BRANCH_GT" { return APUSK_TREE_GT }
    if name == "BRANCH_EQ" { return APUSK_TREE_EQ }
    if name == "BRANCH_NEQ" { return APUSK_TREE_NEQ }
    throw node.context.attributeError(
      "nodes_modes", expected: "LEAF or BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ", actual: name.string)
  }
}

/// The names of the attributes that hold the votes of leaves.
struct VoteLists {
  let trees: StaticString
  let nodes: StaticString
  let targets: StaticString
  let weights: StaticString
  let weightTensor: StaticString

  static let classes = VoteLists(
    trees: "class_treeids", nodes: "class_nodeids", targets: "class_ids", weights: "class_weights",
    weightTensor: "class_weights_as_tensor")
  static let targets = VoteLists(
    trees: "target_treeids", nodes: "target_nodeids", targets: "target_ids", weights: "target_weights",
    weightTensor: "target_weights_as_tensor")
}

/// Places of nodes by (tree id, node id).
private struct NodeNames {
  private let entries: [(tree: Int, number: Int, place: Int)]

  init(_ trees: [Int], _ numbers: [Int]) {
    entries = zip(trees, numbers).enumerated().map { ($0.element.0, $0.element.1, $0.offset) }.inOrder {
      $0.tree != $1.tree ? $0.tree < $1.tree : $0.number < $1.number
    }
  }

  func place(_ tree: Int, _ number: Int) -> Int? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = low + (high - low) / 2
      let entry = entries[middle]
      if entry.tree < tree || (entry.tree == tree && entry.number < number) { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].tree == tree, entries[low].number == number else { return nil }
    return entries[low].place
  }

  func firstOfEachTree() -> [Int] {
    var result: [Int] = []
    for (position, entry) in entries.enumerated() {
      if position == 0 || entries[position - 1].tree != entry.tree {
        result.append(entry.place)
      } else if let last = result.indices.last {
        result[last] = min(result[last], entry.place)
      }
    }
    return result
  }
}
