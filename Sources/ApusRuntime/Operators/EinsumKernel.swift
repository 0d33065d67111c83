import ApusGraph
import CApusKernels

/// An operand of an Einsum, or a product on the way: a strided view with a label for each axis. Axes of extent 1 are left out.
private struct LabelledView {
  var buffer: BufferID
  var axes: [(label: Int, stride: Int)]

  func stride(_ label: Int) -> Int { axes.first { $0.label == label }?.stride ?? 0 }
  func has(_ label: Int) -> Bool { axes.contains { $0.label == label } }

  /// A dense view with axes in the order of `labels`. Strides beside an empty axis may wrap: nothing is read there.
  init(_ buffer: BufferID, dense labels: [Int], _ extents: [Int]) {
    self.buffer = buffer
    axes = []
    var stride = 1
    for label in labels.reversed() where extents[label] != 1 {
      axes.append((label, stride))
      stride &*= extents[label]
    }
    axes.reverse()
  }

  /// An operand: axes with one label are walked together, along the diagonal.
  init(_ buffer: BufferID, _ labels: [Int], shape: [Int]) {
    self.buffer = buffer
    axes = []
    var stride = 1
    for (label, extent) in zip(labels, shape).reversed() {
      if extent != 1 {
        if let position = axes.firstIndex(where: { $0.label == label }) {
          axes[position].stride += stride
        } else {
          axes.append((label, stride))
        }
      }
      stride &*= extent
    }
    axes.reverse()
  }
}

/// A product of two views: their labels by role.
private struct LabelledProduct {
  var batch: [Int] = []
  var rows: [Int] = []
  var columns: [Int] = []
  var inner: [Int] = []
  /// Summed over, but axes of one view alone.
  var loose: [Int] = []

  init(_ a: LabelledView, _ b: LabelledView, keeping kept: [Int]) {
    for label in (a.axes + b.axes.filter { !a.has($0.label) }).map({ $0.label }) {
      switch (a.has(label), b.has(label), kept.contains(label)) {
      case (true, true, true): batch.append(label)
      case (true, true, false): inner.append(label)
      case (true, false, true): rows.append(label)
      case (false, true, true): columns.append(label)
      default: loose.append(label)
      }
    }
  }
}

/// Emits an Einsum operand by operand.
private struct EinsumPlan {
  let builder: PlanBuilder
  let type: ElementType
  /// By label.
  let extents: [Int]

  func count(_ labels: [Int]) throws(ApusError) -> Int {
    try checkedElementCount(labels.map { extents[$0] })
  }

  func temporary(_ labels: [Int]) throws(ApusError) -> LabelledView {
    let bytes = try count(labels).checkedMultiplied(by: type.byteWidth ?? 8)
    return LabelledView(builder.temporary(byteCount: bytes), dense: labels, extents)
  }

  /// The sum of `a`, or of `a` times `b`, over what `result` does not have.
  func contract(_ a: LabelledView, _ b: LabelledView?, into result: BufferID, _ labels: [Int]) throws(ApusError) {
    var arguments = apusk_contract_args.plain
    for label in labels {
      try builder.check(
        apusk_contract_add_axis(
          &arguments, Int64(extents[label]), Int64(a.stride(label)), Int64(b?.stride(label) ?? 0), 0))
    }
    let all = a.axes + (b?.axes.filter { !a.has($0.label) } ?? [])
    for axis in all where !labels.contains(axis.label) {
      try builder.check(
        apusk_contract_add_sum(
          &arguments, Int64(extents[axis.label]), Int64(a.stride(axis.label)), Int64(b?.stride(axis.label) ?? 0)))
    }
    try builder.emitContraction(arguments, type, a: a.buffer, b: b?.buffer, output: result)
  }

  /// A view with dense axes in another order: itself, or a copy.
  func arranged(_ view: LabelledView, _ labels: [Int]) throws(ApusError) -> BufferID {
    let dense = LabelledView(view.buffer, dense: labels, extents)
    if dense.axes.elementsEqual(view.axes, by: { $0 == $1 }) { return view.buffer }
    let target = try temporary(labels)
    try contract(view, nil, into: target.buffer, labels)
    return target.buffer
  }

  /// Whether the packed matrix product pays: the copies it may need are small beside it.
  func isLarge(_ product: LabelledProduct) throws(ApusError) -> Bool {
    guard type == .float32, product.loose.isEmpty else { return false }
    let (m, n, k) = (try count(product.rows), try count(product.columns), try count(product.inner))
    return m >= 4 && n >= 4 && k >= 4
  }

  /// The product as matrices `[batch, rows, inner]` times `[batch, inner, columns]`; the result's axes are batch, rows, columns.
  func multiply(
    _ a: LabelledView, _ b: LabelledView, _ product: LabelledProduct, into result: BufferID
  ) throws(ApusError) {
    let (m, n, k) = (try count(product.rows), try count(product.columns), try count(product.inner))
    let batches = try count(product.batch)
    let left = try arranged(a, product.batch + product.rows + product.inner)
    let right = RightOperand(
      source: .buffer(try arranged(b, product.batch + product.inner + product.columns)), k: k, n: n, strideK: n, strideN: 1,
      count: batches)
    var matrices = MatrixProduct(a: left, right: right, m: m)
    matrices.arguments.batches = Int64(batches)
    matrices.offsetsA = (0..<batches).map { Int64($0 * m * k) }
    matrices.matricesB = (0..<batches).map { Int64($0) }
    matrices.arguments.c_batch_stride = Int64(try m.checkedMultiplied(by: n))
    try builder.emitProduct(matrices, output: result)
  }
}

extension KernelBinding {
  static let einsum = KernelBinding("Einsum", native: contractionTypes) { builder, node throws(ApusError) in
    let operands = node.node.node.inputs
    let shapes = try operands.map { id throws(ApusError) in try builder.extents(id) }
    let equation = try EinsumEquation(
      node.attributes.string("equation") ?? "", ranks: shapes.map { $0.count }, context: node.context)
    var extents = Array(repeating: 1, count: 128)
    for label in equation.operands.joined() {
      extents[label] = try equation.extent(label, shapes.map { Shape($0) }, node.context).value ?? 1
    }
    let plan = EinsumPlan(builder: builder, type: try builder.elementType(operands[0]), extents: extents)
    let output = try builder.output(node.output(0))
    var current = LabelledView(try builder.input(operands[0]), equation.operands[0], shape: shapes[0])
    if operands.count == 1 {
      return try plan.contract(current, nil, into: output, equation.result)
    }
    for position in 1..<operands.count {
      let next = LabelledView(
        try builder.input(operands[position]), equation.operands[position], shape: shapes[position])
      let isLast = position == operands.count - 1
      let needed = equation.result + equation.operands[(position + 1)...].joined()
      let product = LabelledProduct(current, next, keeping: needed)
      let natural = product.batch + product.rows + product.columns
      let isLarge = try plan.isLarge(product)
      let wanted = equation.result.filter { natural.contains($0) }
      if isLast, !isLarge || wanted == natural {
        if isLarge {
          try plan.multiply(current, next, product, into: output)
        } else {
          try plan.contract(current, next, into: output, equation.result)
        }
        return
      }
      let target = try plan.temporary(natural)
      if isLarge {
        try plan.multiply(current, next, product, into: target.buffer)
      } else {
        try plan.contract(current, next, into: target.buffer, natural)
      }
      current = target
      if isLast { try plan.contract(current, nil, into: output, equation.result) }
    }
  }
}
