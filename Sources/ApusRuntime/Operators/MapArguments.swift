import ApusGraph
import CApusKernels

/// Argument blocks of kernels that read one operand and write one result, of floats.
protocol FloatMapArguments {
  // The type as which C's pointers are imported; another one is no match.
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var input: UnsafePointer<Float>! { get set }
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var output: UnsafeMutablePointer<Float>! { get set }
}

extension apusk_softmax_args: FloatMapArguments {}
extension apusk_pool_args: FloatMapArguments {}

/// The same for elements of any type.
protocol MapArguments {
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var input: UnsafeRawPointer! { get set }
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var output: UnsafeMutableRawPointer! { get set }
}

extension apusk_copy_args: MapArguments {}
extension apusk_strided_copy_args: MapArguments {}
extension apusk_block_copy_args: MapArguments {}
extension apusk_cast_args: MapArguments {}
extension apusk_unary_args: MapArguments {}
extension apusk_trilu_args: MapArguments {}
extension apusk_reduce_args: MapArguments {}
extension apusk_axis_args: MapArguments {}
extension apusk_lrn_args: MapArguments {}

extension PlanBuilder {
  /// Adds a step whose argument block lacks but the addresses of `source` and `target`.
  func emit<Arguments: FloatMapArguments>(
    _ plan: apusk_plan, _ base: Arguments, from source: BufferID, to target: BufferID
  ) throws(ApusError) {
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.input = UnsafePointer(pointers.floats(source))
      arguments.output = pointers.floats(target)
      return arguments
    }
  }

  func emit<Arguments: MapArguments>(
    _ plan: apusk_plan, _ base: Arguments, from source: BufferID, to target: BufferID
  ) throws(ApusError) {
    try emit(plan, [source, target]) { pointers in
      var arguments = base
      arguments.input = UnsafeRawPointer(pointers[source])
      arguments.output = pointers[target]
      return arguments
    }
  }
}
