extension WindowGeometry {
  /// Lays out the windows of `channels` image planes as a matrix [channels * kernelHeight * kernelWidth, outputPlane]: a
  /// convolution is then a product of matrices. Elements outside the image are 0.
  func unfold(_ image: UnsafePointer<Float>, channels: Int, into columns: UnsafeMutablePointer<Float>) {
    var row = columns
    for channel in 0..<channels {
      let plane = image + channel * inputPlane
      for ky in 0..<kernelHeight {
        let rows = validRows(ky)
        for kx in 0..<kernelWidth {
          let valid = validColumns(kx)
          row.update(repeating: 0, count: rows.lowerBound * outputWidth)
          for y in rows {
            let source = plane + (y * strideY + ky * dilationY - padTop) * width + (kx * dilationX - padLeft)
            let target = row + y * outputWidth
            for x in 0..<valid.lowerBound { target[x] = 0 }
            if strideX == 1 {
              Self.copyRow(source + valid.lowerBound, to: target + valid.lowerBound, count: valid.count)
            } else {
              for x in valid { target[x] = source[x &* strideX] }
            }
            for x in valid.upperBound..<outputWidth { target[x] = 0 }
          }
          (row + rows.upperBound * outputWidth).update(
            repeating: 0, count: (outputHeight - rows.upperBound) * outputWidth)
          row += outputPlane
        }
      }
    }
  }

  /// Copies a short row by vectors, the last of which may overlap the one before: a call of memcpy costs more than such rows.
  @inline(__always)
  private static func copyRow(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    guard count >= 8 else {
      for i in 0..<count { target[i] = source[i] }
      return
    }
    var i = 0
    while i < count {
      let at = min(i, count &- 8)
      let values = UnsafeRawPointer(source + at).loadUnaligned(as: SIMD8<Float>.self)
      UnsafeMutableRawPointer(target + at).storeBytes(of: values, as: SIMD8<Float>.self)
      i &+= 8
    }
  }

  /// The transpose of `unfold`: adds each element of the matrix to the image element it came from.
  func fold(_ columns: UnsafePointer<Float>, channels: Int, addingTo image: UnsafeMutablePointer<Float>) {
    var row = columns
    for channel in 0..<channels {
      let plane = image + channel * inputPlane
      for ky in 0..<kernelHeight {
        let rows = validRows(ky)
        for kx in 0..<kernelWidth {
          let valid = validColumns(kx)
          for y in rows {
            let target = plane + (y * strideY + ky * dilationY - padTop) * width + (kx * dilationX - padLeft)
            let source = row + y * outputWidth
            if strideX == 1 {
              for x in valid { target[x] += source[x] }
            } else {
              for x in valid { target[x &* strideX] += source[x] }
            }
          }
          row += outputPlane
        }
      }
    }
  }
}
