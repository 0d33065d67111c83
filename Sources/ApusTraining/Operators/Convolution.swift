import ApusGraph

extension Operator {
  /// Conv of images: X [N, C, H, W], W [M, C / group, kH, kW], B [M] or absent; Y [N, M, oH, oW].
  ///
  /// Attributes kernel_shape, strides, dilations, pads, group. As matrix products over unfolded images.
  static let conv = Operator("Conv", 22) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let weight = try call.tensor(1)
    let plan = try ConvolutionPlan(call)
    let geometry = plan.geometry
    let output = call.allocate(geometry.batch * plan.outputImage)
    let (x, w, y) = (input.storage.pointer, weight.storage.pointer, output.pointer)
    let bias = call.optionalTensor(2)?.storage.pointer
    let columns = plan.columnBuffers(call)

    call.context.pool.forEach(plan.parts) { part, worker in
      for n in plan.images(of: part) {
        for group in 0..<plan.groups {
          let image = x + n * plan.inputImage + group * plan.groupChannels * geometry.inputPlane
          var matrix = UnsafePointer(image)
          if !plan.isPointwise {
            geometry.unfold(image, channels: plan.groupChannels, into: columns[worker].pointer)
            matrix = UnsafePointer(columns[worker].pointer)
          }
          let result = y + n * plan.outputImage + group * plan.groupFilters * geometry.outputPlane
          if let bias {
            for m in 0..<plan.groupFilters {
              (result + m * geometry.outputPlane).update(
                repeating: bias[group * plan.groupFilters + m], count: geometry.outputPlane)
            }
          }
          BLAS.multiply(
            m: plan.groupFilters, n: geometry.outputPlane, k: plan.windowSize, w + group * plan.groupWeights, matrix,
            beta: bias == nil ? 0 : 1, result)
        }
      }
    }
    return [
      Output(shape: [geometry.batch, plan.filters, geometry.outputHeight, geometry.outputWidth], storage: output)
    ]
  } backward: { call in
    guard let gradient = call.outputGradients[0], let plan = try? ConvolutionPlan(call) else { return [] }
    let geometry = plan.geometry
    let (x, w, g) = (call.input(0).pointer, call.input(1).pointer, gradient.pointer)
    let byInput = call.wantsGradient(0) ? call.allocate(geometry.batch * plan.inputImage) : nil
    let weights = plan.groups * plan.groupWeights
    // Each part of the batch sums its own gradient by the weights; the parts are then added in order.
    let byWeight = call.wantsGradient(1) ? (0..<plan.parts).map { _ in call.allocate(weights, filledWith: 0) } : []
    let columns = plan.columnBuffers(call)

    call.context.pool.forEach(plan.parts) { part, worker in
      for n in plan.images(of: part) {
        for group in 0..<plan.groups {
          let place = n * plan.inputImage + group * plan.groupChannels * geometry.inputPlane
          let byOutput = g + n * plan.outputImage + group * plan.groupFilters * geometry.outputPlane
          let scratch = columns[worker].pointer
          if !byWeight.isEmpty {
            var matrix = UnsafePointer(x + place)
            if !plan.isPointwise {
              geometry.unfold(x + place, channels: plan.groupChannels, into: scratch)
              matrix = UnsafePointer(scratch)
            }
            BLAS.multiply(
              m: plan.groupFilters, n: plan.windowSize, k: geometry.outputPlane, byOutput, matrix, transposeB: true, beta: 1,
              byWeight[part].pointer + group * plan.groupWeights)
          }
          if let byInput {
            let target = byInput.pointer + place
            BLAS.multiply(
              m: plan.windowSize, n: geometry.outputPlane, k: plan.groupFilters, w + group * plan.groupWeights, transposeA: true,
              byOutput, beta: 0, plan.isPointwise ? target : scratch)
            if !plan.isPointwise {
              target.update(repeating: 0, count: plan.groupChannels * geometry.inputPlane)
              geometry.fold(scratch, channels: plan.groupChannels, addingTo: target)
            }
          }
        }
      }
    }
    if let total = byWeight.first {
      call.context.pool.forEachRange(of: weights, grain: Context.elementwiseGrain) { range in
        for partial in byWeight.dropFirst() {
          for i in range { total.pointer[i] += partial.pointer[i] }
        }
      }
    }
    return [byInput, byWeight.first, call.wantsGradient(2) ? plan.biasGradient(call, gradient) : nil]
  }
}

/// The sizes of a convolution and how its batch is cut in parts.
private struct ConvolutionPlan: Sendable {
  let geometry: WindowGeometry
  let filters: Int
  let groups: Int
  let parts: Int
  private let partSize: Int

  var groupChannels: Int { geometry.channels / groups }
  var groupFilters: Int { filters / groups }
  var windowSize: Int { groupChannels * geometry.kernelHeight * geometry.kernelWidth }
  var groupWeights: Int { groupFilters * windowSize }
  var inputImage: Int { geometry.channels * geometry.inputPlane }
  var outputImage: Int { filters * geometry.outputPlane }

  /// Whether the image is already the matrix of its windows.
  var isPointwise: Bool {
    geometry.kernelHeight == 1 && geometry.kernelWidth == 1 && geometry.strideY == 1 && geometry.strideX == 1
      && geometry.outputPlane == geometry.inputPlane && geometry.padTop == 0 && geometry.padLeft == 0
  }

  init(_ call: Application) throws(ApusError) {
    let input = try call.tensor(0)
    let weight = try call.tensor(1)
    groups = call.int("group", default: 1)
    guard weight.rank == 4, input.rank == 4, groups >= 1, weight.shape[0] % groups == 0,
      input.shape[1] == weight.shape[1] * groups
    else {
      throw ApusError(
        .shapeMismatch, "the filters do not fit the images", expected: "[N, C, H, W] and [M, C / group, kH, kW]",
        actual: "\(input.shape) and \(weight.shape) with group \(groups)")
    }
    let kernel = [weight.shape[2], weight.shape[3]]
    guard call.ints("kernel_shape", default: kernel) == kernel else {
      throw ApusError(.invalidAttribute, "kernel_shape is not the filters'", expected: "\(kernel)")
    }
    geometry = try WindowGeometry(call, input: input.shape, kernel: kernel)
    filters = weight.shape[0]
    if let bias = call.optionalTensor(2), bias.shape != [filters] {
      throw ApusError(.shapeMismatch, "the bias does not fit", expected: "[\(filters)]", actual: "\(bias.shape)")
    }
    // At most 16 parts, fewer where their gradients by the weights would take more than 64 MiB.
    let wanted = max(1, min(geometry.batch, 16, (16 << 20) / max(1, weight.count)))
    partSize = max(1, (geometry.batch + wanted - 1) / wanted)
    parts = (geometry.batch + partSize - 1) / partSize
  }

  func images(of part: Int) -> Range<Int> {
    part * partSize..<min((part + 1) * partSize, geometry.batch)
  }

  func columnBuffers(_ call: Application) -> [Storage] {
    (0..<call.context.pool.threads).map { _ in call.allocate(isPointwise ? 0 : windowSize * geometry.outputPlane) }
  }

  /// The sum of the gradient over the images and places of each filter, in their order.
  func biasGradient(_ call: Application, _ gradient: Storage) -> Storage {
    let result = call.allocate(filters)
    let (g, b) = (gradient.pointer, result.pointer)
    let plane = geometry.outputPlane
    for filter in 0..<filters {
      var sum: Double = 0
      for n in 0..<geometry.batch { sum += Double(laneSum(g + (n * filters + filter) * plane, plane)) }
      b[filter] = Float(sum)
    }
    return result
  }
}

/// The sum of `count` elements in 16 interleaved lanes, which are then added pairwise.
func laneSum(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
  var lanes = SIMD16<Float>(repeating: 0)
  let raw = UnsafeRawPointer(values)
  var i = 0
  while i + 16 <= count {
    lanes += raw.loadUnaligned(fromByteOffset: i &* 4, as: SIMD16<Float>.self)
    i &+= 16
  }
  var lane = 0
  while i < count {
    lanes[lane] += values[i]
    lane &+= 1
    i &+= 1
  }
  let half = lanes.lowHalf + lanes.highHalf
  let quarter = half.lowHalf + half.highHalf
  let eighth = quarter.lowHalf + quarter.highHalf
  return eighth[0] + eighth[1]
}
