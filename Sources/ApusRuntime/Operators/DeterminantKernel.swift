import ApusGraph
import CApusKernels

extension apusk_determinant_args: MapArguments {}

extension KernelBinding {
  static let det = KernelBinding("Det", native: TypeSet(.float32, .float64)) { builder, node throws(ApusError) in
    let extents = try builder.extents(node.input(0))
    var arguments = apusk_determinant_args()
    arguments.matrices = Int64(try checkedElementCount(Array(extents.dropLast(2))))
    arguments.n = Int64(extents[extents.count - 1])
    arguments.element_type = try builder.elementType(node.input(0)).rawValue
    var plan = apusk_plan()
    try builder.check(apusk_determinant_plan(&arguments, &plan))
    try builder.emit(
      plan, arguments, from: try builder.input(node.input(0)), to: try builder.output(node.output(0)))
  }
}
