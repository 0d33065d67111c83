import ApusGraph

extension PlanBuilder {
  /// Leaves the product of an image and a factor for each channel, as squeeze-and-excite has it, to the 1x1 convolution that
  /// alone reads it: that one multiplies each block of pixels just before it reads them, in a cache. False where nothing was
  /// left, and the current node must do it. The product lies where the image did.
  func leavesScaling(_ product: ValueID, _ shapes: BinaryShapes, factors: BufferID) throws(ApusError) -> Bool {
    let image = try extents(product)
    // From so many pixels on there are blocks of them for many threads.
    guard unscaled == nil, shapes.layout == .channelsLast, image.count == 4, image[0] * image[2] * image[3] >= 196,
      shapes.a == [image[1]] || shapes.b == [image[1]],
      let (reader, _) = try onlyReader(of: product), reader.node.node.domain == .onnx,
      reader.node.node.operatorName == "Conv", reader.node.quantized == nil, reader.input(0) == product
    else { return false }
    // Where one pixel of it makes one of the result, without padding, and of all channels.
    let weights = try extents(reader.input(1))
    let result = try extents(reader.output(0))
    guard weights[1...] == [image[1], 1, 1], result[2...] == image[2...] else { return false }
    for stride in reader.attributes.ints("strides") ?? [] where stride != 1 { return false }
    keep(factors, for: product)
    unscaled = (product, factors)
    return true
  }
}
