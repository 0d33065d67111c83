import ApusConvert
import ArgumentParser

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model's accuracy on data, and its agreement with another model.",
    discussion: """
      Runs the samples through the model (an .apus file, or an .onnx or .safetensors file, which is converted in memory) and
      prints top-1, top-5, recall and precision of each class, and the confusion matrix. --against runs another model beside it
      and compares the outputs: how often the largest score stands at the same place, the signal-to-noise ratio, the cosine.

        modelconv evaluate lenet.apus --data t10k-images-idx3-ubyte.gz
        modelconv evaluate lenet-int8.apus --data t10k-images-idx3-ubyte.gz --against lenet.apus --threads 2
        modelconv evaluate resnet.onnx --data images/ --scale 0.00392157 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
        modelconv evaluate encoder-int8.apus --data sentences.npz --against encoder.onnx

      \(SampleArguments.discussion)

      Exit code 1: something failed, or --minimum was not reached; 3: this release lacks something that the model needs.
      """)

  @Argument(help: "The model.")
  var model: String

  @Option(help: "The samples: IDX images, an .npy or .npz file, a folder of images or of .npy files.")
  var data: String

  @OptionGroup var samples: SampleArguments

  @Option(help: "Another model to compare the outputs with, such as the float model of a quantized one.")
  var against: String?

  @Option(help: "The output that holds a score for each class. (default: the first)")
  var output: String?

  @Option(help: "Samples in a run, where the model does not fix them.")
  var batch = 32

  @Option(help: "Threads to run with. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Option(help: "The smallest top-1 accuracy, from 0 to 1, that is no failure.")
  var minimum: Double?

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.evaluation).")
  var json = false

  func validate() throws {
    guard (1...65_536).contains(batch) else { throw ValidationError("--batch takes a number from 1 to 65536") }
    guard minimum.map({ (0...1).contains($0) }) != false else { throw ValidationError("--minimum takes a number from 0 to 1") }
  }

  func run() throws {
    var options = ModelEvaluation.Options()
    options.against = against
    options.output = output
    options.batch = batch
    options.threads = threads.count
    let progress = ProgressLine()
    let evaluation = try ModelEvaluation(path: model, data: data, samples: try samples.options(), options: options) {
      progress.show("evaluating: \($0) of \($1) samples")
    }
    progress.clear()
    Console.report(evaluation.text, json: evaluation.json, asJSON: json)
    guard let minimum else { return }
    guard let top1 = evaluation.result.confusion?.top1 else {
      Console.fail("--minimum needs labels")
      throw ExitCode(1)
    }
    guard top1 >= minimum else {
      Console.fail("top-1 is \(top1), less than \(minimum)")
      throw ExitCode(1)
    }
  }
}
