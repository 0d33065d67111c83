import ApusConvert
import ArgumentParser

/// Options that say how data becomes samples of a model's inputs.
struct SampleArguments: ParsableArguments {
  static let discussion = """
    Data is: images in MNIST's IDX format (.gz too; the labels are found beside the images); an .npy file [samples, ...]; an .npz
    file with arrays by the inputs' names and labels in 'labels' or 'y'; a folder of images (PNG, JPEG, .pgm, .ppm) or .npy
    files, where folders in it are the classes; a folder of test data (test_data_set_0 ...). A sample becomes
    (number * scale - mean) / std. For models of ImageNet as torchvision trains them: --resize 256 --mean 0.485,0.456,0.406
    --std 0.229,0.224,0.225.
    """

  @Option(help: "Class numbers: IDX (.gz), .npy, .npz or a number a line (.txt). (default: those that belong to the data)")
  var labels: String?

  @Option(help: "The most samples that are taken.")
  var limit: Int?

  @Option(help: "What numbers are multiplied by. (default: 1/255 for bytes that become floats, else 1)")
  var scale: Double?

  @Option(help: "The mean to subtract, one or one a channel, such as 0.485,0.456,0.406.")
  var mean: NumberList?

  @Option(name: .customLong("std"), help: "The standard deviation to divide by, one or one a channel.")
  var standardDeviation: NumberList?

  @Option(
    help: """
      Resize images of a folder: 256, pixels of the shorter side, the input's size being cut from the middle; or 224x224, width x
      height. (default: none, they have the input's size)
      """)
  var resize: ImageSize?

  @Option(help: "Where the input's channels stand: nchw or nhwc. (default: as its shape tells)")
  var layout: SampleOptions.Layout?

  func options() throws -> SampleOptions {
    var options = SampleOptions()
    options.labels = labels
    options.limit = limit
    options.scale = scale
    options.mean = mean?.values ?? []
    options.standardDeviation = standardDeviation?.values ?? []
    options.layout = layout
    options.resizing = resize?.resizing
    return options
  }

  func validate() throws {
    guard limit.map({ $0 >= 1 }) != false else { throw ValidationError("--limit takes a number of 1 and more") }
  }
}

extension SampleOptions.Layout: ExpressibleByArgument {}

/// `0.5` or `0.485,0.456,0.406` on the command line.
struct NumberList: ExpressibleByArgument {
  let values: [Double]

  init?(argument: String) {
    var values: [Double] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Double(part), value.isFinite else { return nil }
      values.append(value)
    }
    self.values = values
  }
}

/// `256` or `224x224` on the command line.
struct ImageSize: ExpressibleByArgument {
  let resizing: SampleOptions.Resizing

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch parts.count {
    case 1:
      guard let side = parts[0] else { return nil }
      resizing = .shorterSide(side)
    case 2:
      guard let width = parts[0], let height = parts[1] else { return nil }
      resizing = .stretched(width: width, height: height)
    default: return nil
    }
  }
}
