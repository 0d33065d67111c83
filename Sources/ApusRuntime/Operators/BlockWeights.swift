import ApusGraph
import CApusKernels

/// The right operand of products, of 4 or 8 bits in blocks along k, and how its tensors lie.
struct BlockWeights {
  /// Sizes and types; k, n and block are not 0.
  var form = apusk_block_weights()
  let elements: TensorID
  let scales: TensorID
  /// Whether elements and zero points are numbers around 0.
  let isSigned: Bool
  /// nil where all zero points are `form.zero`.
  var zeros: TensorID?
  /// Of elements, and of scales and zero points, between neighbours along k and along n.
  var strides: (k: Int, n: Int) = (0, 0)
  var tableStrides: (k: Int, n: Int) = (0, 0)
  /// Those of packed zero points, where they are not the scales'.
  var zeroStrides: (k: Int, n: Int)?
  /// Where each matrix begins, and its scales and zero points: packed they follow one another.
  var places: [(elements: Int, table: Int)] = [(0, 0)]

  /// One block along k, all zero points the middle of signed numbers or 0; of float32 scales.
  static func form(_ k: Int, _ n: Int, bits: Int, isSigned: Bool) -> apusk_block_weights {
    var form = apusk_block_weights()
    (form.k, form.n, form.block, form.bits) = (Int64(k), Int64(n), Int64(k), Int32(bits))
    form.zero = isSigned ? 1 << (form.bits - 1) : 0
    form.scale_type = APUSK_FLOAT32
    return form
  }
}

/// The packed tables of block weights.
struct PackedBlocks {
  let form: apusk_block_weights
  let elements: BufferID
  let scales: BufferID
  let zeros: BufferID?

  func bound(_ pointers: PointerTable) -> apusk_block_weights {
    var weights = form
    weights.q = UnsafePointer(pointers[elements]?.assumingMemoryBound(to: UInt8.self))
    weights.scales = UnsafeRawPointer(pointers[scales])
    weights.zeros = UnsafePointer(pointers.bytes(zeros)?.assumingMemoryBound(to: UInt8.self))
    return weights
  }

  /// For the plans of kernels, which ask whether there are zero points.
  var buffers: [BufferID?] { [elements, scales, zeros] }
}

extension PlanBuilder {
  /// The quantized constant that a right operand is, where kernels read it as such.
  func blockWeights(_ right: RightOperand) throws(ApusError) -> BlockWeights? {
    guard right.offsets == nil, case .value(let id) = right.source, let constant = constantTensor(id),
      let tensor = constants.quantized(constant), right.k > 0, right.n > 0
    else { return nil }
    let type = constants.tensors[Int(tensor.elements)].elementType
    let extents = constants.tensors[Int(tensor.elements)].dimensions
    let (k, n) = (right.k, right.n)
    // [k, n]; or turned, and then maybe several that follow one another, as [..., k].
    let isTurned = right.strideK == 1 && right.strideN == k && k > 1
    let columns = try n.checkedMultiplied(by: right.count)
    if isTurned {
      guard extents.last == k, elementCount(extents) == (try columns.checkedMultiplied(by: k)) else { return nil }
    } else {
      guard extents == [k, n], right.strideK == n, right.count == 1 else { return nil }
    }
    var weights = BlockWeights(
      elements: tensor.elements, scales: tensor.scales, isSigned: type == .int8 || type == .int4, zeros: tensor.zeros)
    weights.strides = (right.strideK, right.strideN)
    weights.form = BlockWeights.form(k, n, bits: type == .int4 || type == .uint4 ? 4 : 8, isSigned: weights.isSigned)
    weights.form.scale_type = constants.tensors[Int(tensor.scales)].elementType.rawValue
    var tableStep = 0
    let layout = tensor.layout
    if layout.blockStride != 0 {
      let isFirst = layout.outer == 1 && layout.axis == (isTurned ? columns : k) && layout.inner == (isTurned ? k : n)
      let isLast = layout.inner == 1 && layout.axis == (isTurned ? k : n)
      let isVector = layout.block == 1 && layout.outerStride == 0 && layout.innerStride == 0
      if isVector, isTurned ? isFirst : isLast {
        weights.tableStrides = (0, 1)
        tableStep = n
      } else if !isVector, layout.block > 1, isTurned ? isLast : isFirst {
        weights.form.block = Int64(layout.block)
        weights.tableStrides = isTurned ? (1, layout.outerStride) : (layout.blockStride, 1)
        tableStep = try n.checkedMultiplied(by: layout.outerStride)
      } else {
        return nil
      }
    }
    weights.places = (0..<right.count).map { ($0 * k * n, $0 * tableStep) }
    return try supported(weights)
  }

  /// The weights with one zero point where all are the same; nil where there is no kernel for them.
  func supported(_ weights: BlockWeights) throws(ApusError) -> BlockWeights? {
    var weights = weights
    if let id = weights.zeros {
      let bytes = try constants.bytes(id)
      guard let first = bytes.first else { return nil }
      // Of 4 bits two alike in each byte.
      let zero = weights.form.bits == 4 ? first & 15 : first
      if weights.form.bits == 8 || first >> 4 == zero, bytes.allSatisfy({ $0 == first }) {
        weights.form.zero = Int32(zero) ^ (weights.isSigned ? 1 << (weights.form.bits - 1) : 0)
        weights.zeros = nil
      }
    }
    return apusk_block_is_supported(&weights.form) ? weights : nil
  }

  func packedBlocks(_ right: RightOperand) throws(ApusError) -> PackedBlocks? {
    try blockWeights(right).map { weights throws(ApusError) in try packed(weights) }
  }

  /// The packed tables, made once a model for all levels.
  func packed(_ weights: BlockWeights) throws(ApusError) -> PackedBlocks {
    let form = weights.form
    var sized = form
    let (q, scales, zeros) = (
      apusk_block_q_bytes(&sized), apusk_block_scale_bytes(&sized), apusk_block_zero_bytes(&sized)
    )
    guard q >= 0, scales >= 0, zeros >= 0 else { throw Int.overflowError("packed bytes of \(form.k) x \(form.n)") }
    func request(
      _ kind: Packing.Kind, _ tensor: TensorID, _ byteCount: Int64, _ strides: (k: Int, n: Int), _ offsets: [Int],
      _ pack: @escaping (apusk_block_weights, apusk_block_source, UnsafeMutableRawPointer) -> Void
    ) throws(ApusError) -> BufferID {
      let parameters = [Int(form.k), Int(form.n), Int(form.block), strides.k, strides.n] + offsets
      let (bits, isSigned) = (form.bits, weights.isSigned)
      return packed(
        PackedRequest(
          tensor: tensor, packing: Packing(kind, level: APUSK_LEVEL_PORTABLE, parameters),
          byteCount: try Int(byteCount).checkedMultiplied(by: offsets.count)
        ) { source, target in
          for (index, offset) in offsets.enumerated() {
            let described = apusk_block_source(
              data: source, offset: Int64(offset), stride_k: Int64(strides.k), stride_n: Int64(strides.n), bits: bits,
              is_signed: isSigned ? 1 : 0)
            pack(form, described, target + index * Int(byteCount))
          }
        })
    }
    let (starts, tables) = (weights.places.map { $0.elements }, weights.places.map { $0.table })
    let elements = try request(.blockElements, weights.elements, q, weights.strides, starts) { form, source, target in
      var (form, source) = (form, source)
      apusk_block_pack_q(&form, &source, target.assumingMemoryBound(to: UInt8.self))
    }
    let scaleTable = try request(.blockScales, weights.scales, scales, weights.tableStrides, tables) { form, source, target in
      var (form, source) = (form, source)
      apusk_block_pack_scales(&form, &source, target)
    }
    let zeroTable = try weights.zeros.map { id throws(ApusError) in
      try request(.blockZeros, id, zeros, weights.zeroStrides ?? weights.tableStrides, tables) { form, source, target in
        var (form, source) = (form, source)
        apusk_block_pack_zeros(&form, &source, target.assumingMemoryBound(to: UInt8.self))
      }
    }
    return PackedBlocks(form: form, elements: elements, scales: scaleTable, zeros: zeroTable)
  }

  /// Emits the product of rows with packed blocks: A as digits, then the sums.
  /// - Parameter product: of at most APUSK_BLOCK_MAX_ROWS rows, whose elements follow one another.
  func emitBlockProduct(
    _ product: MatrixProduct, _ weights: PackedBlocks, bias: BufferID?, residual: BufferID?, output: BufferID
  ) throws(ApusError) {
    var form = weights.form
    var digits = apusk_block_digits_args()
    digits.a_row_stride = product.arguments.a_row_stride
    digits.rows = product.arguments.m
    digits.weights = form
    var plan = apusk_plan()
    let bytes = apusk_block_digits_bytes(&form)
    try check(apusk_block_digits_plan(level, &digits, &plan))
    let a = product.a
    let target = temporary(byteCount: try Int(bytes).checkedMultiplied(by: Int(digits.rows)))
    note = "rows as digits"
    let baseDigits = digits
    try emit(plan, [a, target, weights.zeros]) { pointers in
      var arguments = baseDigits
      arguments.a = UnsafePointer(pointers.floats(a))
      arguments.digits = pointers[target]
      arguments.weights = weights.bound(pointers)
      return arguments
    }
    var arguments = apusk_block_product_args()
    arguments.rows = product.arguments.m
    arguments.c_row_stride = product.arguments.c_row_stride
    arguments.tail = product.arguments.tail
    arguments.weights = form
    try check(apusk_block_product_plan(level, &arguments, &plan))
    note = form.bits == 4 ? "rows by matrix of 4-bit weights" : "rows by matrix of 8-bit weights"
    let base = arguments
    try emit(plan, [target, bias, residual, output] + weights.buffers) { pointers in
      var arguments = base
      arguments.digits = UnsafeRawPointer(pointers[target])
      arguments.c = pointers.floats(output)
      arguments.tail.bias = UnsafePointer(pointers.floats(bias))
      arguments.tail.residual = UnsafePointer(pointers.floats(residual))
      arguments.weights = weights.bound(pointers)
      return arguments
    }
  }

  /// Emits a com.microsoft MatMulNBits whose weights are constants that kernels read packed; false where they are others.
  func emitPackedNBits(_ node: BoundNode) throws(ApusError) -> Bool {
    let a = try extents(node.input(0))
    guard let elements = constantTensor(node.input(1)), let scales = constantTensor(node.input(2)), let k = a.last,
      let n = node.attributes.int("N"), let block = node.attributes.int("block_size"), block > 0
    else { return false }
    let blocks = k / block + (k % block == 0 ? 0 : 1)
    var weights = BlockWeights(elements: elements, scales: constants.narrow(scales) ?? scales, isSigned: false)
    let bits = node.attributes.int("bits") ?? 4
    guard bits == 4 || bits == 8 else { return false }
    // Without a table the zero points are in the middle.
    weights.form = BlockWeights.form(k, n, bits: bits, isSigned: true)
    weights.form.block = Int64(block)
    weights.form.scale_type = constants.tensors[Int(weights.scales)].elementType.rawValue
    weights.strides = (1, try blocks.checkedMultiplied(by: block))
    weights.tableStrides = (1, blocks)
    if let id = node.optionalInput(3) {
      guard try elementType(id) == .uint8, let zeros = constantTensor(id) else { return false }
      weights.zeros = zeros
      // Each column begins with a whole byte.
      if weights.form.bits == 4 { weights.zeroStrides = (1, (blocks + 1) / 2 * 2) }
    }
    guard let usable = try supported(weights) else { return false }
    let right = RightOperand(source: .value(node.input(1)), k: k, n: n, strideK: 1, strideN: k)
    let product = MatrixProduct(a: try input(node.input(0)), right: right, m: try checkedElementCount(Array(a.dropLast())))
    let bias = try node.optionalInput(5).map { id throws(ApusError) in try input(id) }
    try emitProduct(product, blocks: try packed(usable), bias: bias, output: try output(node.output(0)))
    return true
  }
}
