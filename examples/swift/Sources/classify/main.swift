// Classifies images with a model file: what a Swift program that uses Apus looks like.
//
//     gzip -dc t10k-images-idx3-ubyte.gz > images.idx
//     gzip -dc t10k-labels-idx1-ubyte.gz > labels.idx
//     swift run -c release classify lenet.apus images.idx labels.idx

import Apus

let arguments = CommandLine.arguments
guard arguments.count == 4 else { fail("usage: classify MODEL IMAGES LABELS") }

do {
  let images = try IDX(path: arguments[2], rank: 3)
  let labels = try IDX(path: arguments[3], rank: 1)
  guard images.shape[0] == labels.shape[0] else { fail("there are \(images.shape[0]) images, but \(labels.shape[0]) labels") }

  let model = try Model.load(contentsOfFile: arguments[1])
  var options = SessionOptions()
  options.pool = try ThreadPool(threads: 0, memory: model.memory)
  let session = try Session(model: model, options: options)

  // One shape for all runs: prepared once, a run then allocates nothing. Input and output live in the session.
  let (count, height, width) = (images.shape[0], images.shape[1], images.shape[2])
  try session.prepare([[1, 1, height, width]])
  let input = try session.inputBuffer(0).bindMemory(to: Float.self)
  let output = try session.outputBuffer(0).bindMemory(to: Float.self)
  guard input.count == height * width, !output.isEmpty else { fail("the model does not take images of \(height) x \(width)") }

  var right = 0
  let began = ContinuousClock.now
  for image in 0..<count {
    for i in input.indices { input[i] = Float(images.bytes[image * input.count + i]) / 255 }
    try session.run()
    var best = 0
    for i in output.indices where output[i] > output[best] { best = i }
    if best == Int(labels.bytes[image]) { right += 1 }
  }
  let time = began.duration(to: .now) / max(count, 1)
  print("\(right) of \(count) images right, \(time) an image")
} catch {
  fail("classify: \(error)")
}
