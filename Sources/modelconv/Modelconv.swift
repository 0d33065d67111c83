import Apus
import ApusConvert
import ArgumentParser
import Foundation

@main
struct Modelconv: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "modelconv",
    abstract: "Make, show, check, run and measure Apus model files (.apus).",
    discussion: """
      An ONNX model or a checkpoint of ApusTraining becomes a model file, the file is proved right, and people and programs can
      look at it:

        modelconv coverage model.onnx
        modelconv convert model.onnx -o model.apus
        modelconv convert lenet.safetensors -o lenet.apus
        modelconv inspect lenet.apus
        modelconv verify lenet.apus
        modelconv run lenet.apus --input input=images.npy --output-dir out
        modelconv evaluate lenet.apus --data t10k-images-idx3-ubyte.gz
        modelconv bench lenet.apus --shape input=1,1,28,28 --threads 1,2

      'modelconv help <subcommand>' tells more. Results go to standard output, messages and progress to standard error.

      Exit codes: 0 success; 1 a check, the conversion or the run failed; 2 the command line is wrong; 3 this release lacks
      something that the model needs.
      """,
    version: Conversion.version,
    subcommands: [
      Convert.self, Quantize.self, CoverageCommand.self, Inspect.self, Verify.self, Run.self, Evaluate.self, Bench.self,
      Operators.self,
    ])

  /// Usage errors are 2 here, as most tools have it; ArgumentParser's own is 64.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as ApusError {
      Console.fail("\(error)")
      Foundation.exit(error.status.isUnsupported ? 3 : 1)
    } catch {
      let code = exitCode(for: error)
      guard code != .success else {
        print(fullMessage(for: error))
        Foundation.exit(0)
      }
      // A command that failed has told why itself and throws a bare exit code.
      if let failure = error as? ExitCode { Foundation.exit(failure.rawValue) }
      Console.write(fullMessage(for: error) + "\n")
      Foundation.exit(2)
    }
  }
}
