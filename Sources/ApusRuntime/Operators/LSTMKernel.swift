import ApusGraph
import CApusKernels

extension KernelBinding {
  /// The input projection of all steps as one product, then the recurrence with packed recurrent weights.
  static let lstm = KernelBinding("LSTM") { builder, node throws(ApusError) in
    try builder.require(node.input(0), TypeSet(.float32))
    let x = try builder.extents(node.input(0))
    let r = try builder.extents(node.input(2))
    guard let w = builder.constantTensor(node.input(1)), let recurrent = builder.constantTensor(node.input(2)) else {
      throw node.unsupported("recurrent layer with weights that are computed", expected: "constant W and R")
    }
    let layout = Int32(node.attributes.int("layout") ?? 0)
    let (directions, hidden, width) = (r[0], r[2], x[2])
    let gates = directions * 4 * hidden

    var projection = apusk_gemm_f32_args()
    projection.m = Int64(try x[0].checkedMultiplied(by: x[1]))
    projection.n = Int64(gates)
    projection.k = Int64(width)
    projection.a_row_stride = Int64(width)
    projection.a_k_stride = 1
    projection.c_row_stride = Int64(gates)
    projection.batches = 1
    projection.tail = apusk_tail_none()
    let gemm = apusk_gemm_kernels_for(builder.level)
    var plan = apusk_plan()
    try builder.check(apusk_gemm_f32_plan(gemm, &projection, &plan))
    let weights = builder.packed(
      PackedRequest(
        tensor: w, packing: Packing(.matrix, level: builder.level, [width, gates, 1, width, 1]),
        byteCount: Int(apusk_gemm_packed_bytes(gemm, projection.k, projection.n))
      ) { source, target in
        apusk_gemm_pack_b_f32(
          gemm, source.assumingMemoryBound(to: Float.self), 1, Int64(width), Int64(width), Int64(gates),
          target.assumingMemoryBound(to: Float.self))
      })
    let input = try builder.input(node.input(0))
    let projected = builder.temporary(
      byteCount: try x[0].checkedMultiplied(by: x[1]).checkedMultiplied(by: gates).checkedMultiplied(by: 4))
    let baseProjection = projection
    try builder.emit(plan, [input, weights, projected]) { pointers in
      var arguments = baseProjection
      arguments.a = UnsafePointer(pointers.floats(input))
      arguments.b = UnsafePointer(pointers.floats(weights))
      arguments.c = pointers.floats(projected)
      return arguments
    }

    var arguments = apusk_lstm_f32_args()
    arguments.steps = Int64(layout == 0 ? x[0] : x[1])
    arguments.batch = Int64(layout == 0 ? x[1] : x[0])
    arguments.hidden = Int64(hidden)
    let direction = node.attributes.string("direction") ?? "forward"
    arguments.direction =
      direction == "forward"
      ? APUSK_LSTM_FORWARD : direction == "reverse" ? APUSK_LSTM_REVERSE : APUSK_LSTM_BIDIRECTIONAL
    arguments.input_forget = node.attributes.flag("input_forget") ? 1 : 0
    arguments.clip = node.attributes.float("clip") ?? 0
    apusk_lstm_f32_set_layout(&arguments, layout)
    apusk_lstm_f32_set_default_activations(&arguments)
    try setActivations(&arguments, node, directions: directions)
    let kernels = apusk_recurrent_kernels_for(builder.level)
    try builder.check(apusk_lstm_f32_plan(kernels, &arguments, Int32(builder.threads), &plan))
    let recurrence = builder.packed(
      PackedRequest(
        tensor: recurrent, packing: Packing(.recurrence, level: builder.level, [directions, hidden]),
        byteCount: Int(apusk_lstm_f32_packed_bytes(kernels, Int32(directions), Int64(hidden)))
      ) { source, target in
        apusk_lstm_f32_pack(
          kernels, Int32(directions), Int64(hidden), source.assumingMemoryBound(to: Float.self),
          target.assumingMemoryBound(to: Float.self))
      })
    func operand(_ index: Int) throws(ApusError) -> BufferID? {
      guard let id = node.optionalInput(index) else { return nil }
      return try builder.input(id)
    }
    func result(_ index: Int) throws(ApusError) -> BufferID? {
      guard let id = node.optionalOutput(index) else { return nil }
      return try builder.output(id)
    }
    let (bias, lengths, h, c, peephole) = (try operand(3), try operand(4), try operand(5), try operand(6), try operand(7))
    let (y, lastH, lastC) = (try result(0), try result(1), try result(2))
    let base = arguments
    try builder.emit(plan, [projected, recurrence, bias, lengths, h, c, peephole, y, lastH, lastC]) { pointers in
      var arguments = base
      arguments.xw = UnsafePointer(pointers.floats(projected))
      arguments.r = UnsafePointer(pointers.floats(recurrence))
      arguments.bias = UnsafePointer(pointers.floats(bias))
      arguments.peephole = UnsafePointer(pointers.floats(peephole))
      arguments.sequence_lens = lengths.flatMap { UnsafePointer(pointers[$0]?.assumingMemoryBound(to: Int32.self)) }
      arguments.initial_h = UnsafePointer(pointers.floats(h))
      arguments.initial_c = UnsafePointer(pointers.floats(c))
      arguments.y = pointers.floats(y)
      arguments.y_h = pointers.floats(lastH)
      arguments.y_c = pointers.floats(lastC)
      return arguments
    }
  }

  /// Attribute `activations`: f, g and h of each direction, with their alphas and betas in the same order.
  private static func setActivations(
    _ arguments: inout apusk_lstm_f32_args, _ node: BoundNode, directions: Int
  ) throws(ApusError) {
    guard let names = node.attributes.strings("activations") else { return }
    guard names.count == 3 * directions else {
      throw node.context.attributeError("activations", expected: "\(3 * directions) names", actual: "\(names.count)")
    }
    // Only functions that have a parameter take one from the list.
    var alphas = (node.attributes.floats("activation_alpha") ?? [])[...]
    var betas = (node.attributes.floats("activation_beta") ?? [])[...]
    for (position, name) in names.enumerated() {
      guard let function = RecurrentActivation.named(name), let code = function.code else {
        throw node.unsupported("recurrent activation without a kernel", actual: name.string)
      }
      var activation = apusk_rnn_activation(code: code, alpha: function.defaultAlpha, beta: function.defaultBeta)
      if function.hasAlpha, let alpha = alphas.popFirst() { activation.alpha = alpha }
      if function.hasBeta, let beta = betas.popFirst() { activation.beta = beta }
      switch position {
      case 0: arguments.f.0 = activation
      case 1: arguments.g.0 = activation
      case 2: arguments.h.0 = activation
      case 3: arguments.f.1 = activation
      case 4: arguments.g.1 = activation
      default: arguments.h.1 = activation
      }
    }
    if directions == 2 { return }
    arguments.f.1 = arguments.f.0
    arguments.g.1 = arguments.g.0
    arguments.h.1 = arguments.h.0
  }
}

extension RecurrentActivation {
  /// The function of a name; ONNX compares these names without regard to case.
  static func named(_ name: Name) -> RecurrentActivation? {
    let wanted = name.bytes.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
    return allCases.first { $0.name.bytes.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 } == wanted }
  }

  /// The kernel's number, or nil where it has none.
  var code: Int32? {
    switch self {
    case .sigmoid: APUSK_RNN_SIGMOID
    case .tanh: APUSK_RNN_TANH
    case .relu: APUSK_RNN_RELU
    case .affine: APUSK_RNN_AFFINE
    case .leakyRelu: APUSK_RNN_LEAKY_RELU
    case .thresholdedRelu: APUSK_RNN_THRESHOLDED_RELU
    case .scaledTanh: APUSK_RNN_SCALED_TANH
    case .hardSigmoid: APUSK_RNN_HARD_SIGMOID
    case .softsign: APUSK_RNN_SOFTSIGN
    case .elu, .softplus: nil
    }
  }

  var hasAlpha: Bool {
    switch self {
    case .affine, .leakyRelu, .thresholdedRelu, .scaledTanh, .hardSigmoid, .elu: true
    default: false
    }
  }

  var hasBeta: Bool {
    switch self {
    case .affine, .scaledTanh, .hardSigmoid: true
    default: false
    }
  }

  /// ONNX's defaults.
  var defaultAlpha: Float {
    switch self {
    case .leakyRelu: 0.01
    case .hardSigmoid: 0.2
    case .affine, .thresholdedRelu, .scaledTanh, .elu: 1
    default: 0
    }
  }

  var defaultBeta: Float {
    switch self {
    case .hardSigmoid: 0.5
    case .scaledTanh: 1
    default: 0
    }
  }
}
