import ApusGraph
import CApusKernels

/// A float32 convolution over one or two axes, with the places of its operands.
struct PlacedConvolution {
  var sizes: apusk_conv2d_f32_args
  let input: BufferID
  let packed: BufferID
  let bias: BufferID?
  let residual: BufferID?
  let factors: BufferID?
  let output: BufferID

  /// `sizes` with addresses.
  func arguments(_ sizes: apusk_conv2d_f32_args, _ pointers: PointerTable) -> apusk_conv2d_f32_args {
    var arguments = sizes
    arguments.x = UnsafePointer(pointers.floats(input))
    arguments.w = UnsafePointer(pointers.floats(packed))
    arguments.y = pointers.floats(output)
    arguments.tail.bias = UnsafePointer(pointers.floats(bias))
    arguments.scale = UnsafePointer(pointers.floats(factors))
    arguments.tail.residual = UnsafePointer(pointers.floats(residual))
    return arguments
  }
}

/// The convolutions of one step, each of the one before.
struct ConvolutionChain {
  var links: [PlacedConvolution]
  /// Of the last one.
  let result: ValueID
}

extension PlanBuilder {
  /// Adds a step that computes a convolution: by itself, or together with the last step where that is what makes its input, for
  /// no other reader, and kernels gain from it.
  func emit(_ convolution: PlacedConvolution, of source: ValueID, to result: ValueID) throws(ApusError) {
    let kernels = apusk_conv_kernels_for(level)
    if let before = lastConvolutions, before.result == source, isOnlyReader(of: source) {
      let links = before.links + [convolution]
      var chain = apusk_conv_chain_args()
      chain.count = Int64(links.count)
      chain.convolutions.0 = links[0].sizes
      chain.convolutions.1 = links[1].sizes
      if links.count > 2 { chain.convolutions.2 = links[2].sizes }
      var plan = apusk_plan()
      if links.count <= Int(APUSK_CONV_CHAIN_MOST), apusk_conv_chain_plan(kernels, &chain, &plan) == 0 {
        withdrawLastStep(making: convolution.input)
        var touched: [BufferID?] = [links[0].input, convolution.output]
        for link in links { touched += [link.packed, link.bias, link.residual] }
        let base = chain
        note = "in bands, with the convolution before"
        try emit(plan, touched) { pointers in
          var chain = base
          chain.convolutions.0 = links[0].arguments(base.convolutions.0, pointers)
          chain.convolutions.1 = links[1].arguments(base.convolutions.1, pointers)
          if links.count > 2 { chain.convolutions.2 = links[2].arguments(base.convolutions.2, pointers) }
          return chain
        }
        return lastConvolutions = ConvolutionChain(links: links, result: result)
      }
    }
    var sizes = convolution.sizes
    var plan = apusk_plan()
    try check(apusk_conv2d_f32_plan(kernels, &sizes, &plan))
    let base = sizes
    let touched = [
      convolution.input, convolution.packed, convolution.bias, convolution.residual, convolution.factors, convolution.output,
    ]
    try emit(plan, touched) { convolution.arguments(base, $0) }
    lastConvolutions = ConvolutionChain(links: [convolution], result: result)
  }
}
