import ApusGraph
import CApusKernels

extension KernelBinding {
  static let linearAttention = KernelBinding("LinearAttention") { builder, node throws(ApusError) in
    let q = try builder.extents(node.input(0))
    let v = try builder.extents(node.input(2))
    let (heads, keyHeads) = (node.attributes.int("q_num_heads") ?? 1, node.attributes.int("kv_num_heads") ?? 1)
    var arguments = apusk_linear_attention_args()
    arguments.batch = Int64(q[0])
    arguments.tokens = Int64(q[1])
    arguments.query_heads = Int64(heads)
    arguments.kv_heads = Int64(keyHeads)
    arguments.key_size = Int64(q[2] / heads)
    arguments.value_size = Int64(v[2] / keyHeads)
    if let id = node.optionalInput(4) { arguments.decay_width = Int64(try builder.extents(id)[2]) }
    if let id = node.optionalInput(5) { arguments.beta_width = Int64(try builder.extents(id)[2]) }
    let rule = node.attributes.string("update_rule") ?? "gated_delta"
    if rule == "gated" || rule == "gated_delta" { arguments.rule |= APUSK_LINEAR_ATTENTION_GATED }
    if rule == "delta" || rule == "gated_delta" { arguments.rule |= APUSK_LINEAR_ATTENTION_DELTA }
    let stated = node.attributes.float("scale") ?? 0
    arguments.scale = stated == 0 ? 1 / Float(max(q[2] / heads, 1)).squareRoot() : stated
    var plan = apusk_plan()
    try builder.check(apusk_linear_attention_plan(&arguments, &plan))
    let base = arguments
    func operand(_ index: Int) throws(ApusError) -> BufferID? {
      try node.optionalInput(index).map { id throws(ApusError) in try builder.input(id) }
    }
    let (query, key, value) = (try operand(0), try operand(1), try operand(2))
    let (past, decay, beta) = (try operand(3), try operand(4), try operand(5))
    let (output, state) = (try builder.output(node.output(0)), try builder.output(node.output(1)))
    try builder.emit(plan, [query, key, value, past, decay, beta, output, state]) { pointers in
      var arguments = base
      arguments.query = UnsafePointer(pointers.floats(query))
      arguments.key = UnsafePointer(pointers.floats(key))
      arguments.value = UnsafePointer(pointers.floats(value))
      arguments.past = UnsafePointer(pointers.floats(past))
      arguments.decay = UnsafePointer(pointers.floats(decay))
      arguments.beta = UnsafePointer(pointers.floats(beta))
      arguments.output = pointers.floats(output)
      arguments.state = pointers.floats(state)
      return arguments
    }
  }

  static let causalConvWithState = KernelBinding("CausalConvWithState") { builder, node throws(ApusError) in
    let x = try builder.extents(node.input(0))
    let activation = node.attributes.string("activation") ?? "none"
    var arguments = apusk_causal_conv_args()
    arguments.batch = Int64(x[0])
    arguments.channels = Int64(x[1])
    arguments.length = Int64(x[2])
    arguments.size = Int64(try builder.extents(node.input(1))[2])
    arguments.silu = activation == "none" ? 0 : 1
    var plan = apusk_plan()
    try builder.check(apusk_causal_conv_plan(&arguments, &plan))
    let base = arguments
    func operand(_ index: Int) throws(ApusError) -> BufferID? {
      try node.optionalInput(index).map { id throws(ApusError) in try builder.input(id) }
    }
    let (input, kernel, bias, past) = (try operand(0), try operand(1), try operand(2), try operand(3))
    let (output, state) = (try builder.output(node.output(0)), try builder.output(node.output(1)))
    try builder.emit(plan, [input, kernel, bias, past, output, state]) { pointers in
      var arguments = base
      arguments.input = UnsafePointer(pointers.floats(input))
      arguments.kernel = UnsafePointer(pointers.floats(kernel))
      arguments.bias = UnsafePointer(pointers.floats(bias))
      arguments.past = UnsafePointer(pointers.floats(past))
      arguments.output = pointers.floats(output)
      arguments.state = pointers.floats(state)
      return arguments
    }
  }
}
