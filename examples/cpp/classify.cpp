// The same as examples/c/classify.c, in C++17 and shorter: classifies the images of an IDX file and prints the accuracy.
//
//   c++ -std=c++17 -O2 classify.cpp $(pkg-config --cflags --libs apus) -o classify
//   gzip -dc t10k-images-idx3-ubyte.gz > images.idx
//   gzip -dc t10k-labels-idx1-ubyte.gz > labels.idx
//   ./classify lenet.apus images.idx labels.idx [threads]
#include <algorithm>
#include <apus.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// An IDX file of bytes: 0, 0, 8, rank; the extents, big-endian; the elements.
struct Idx {
  std::vector<unsigned char> file;
  std::vector<int64_t> extents;

  explicit Idx(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(stream), {});
    if (file.size() < 4 || file[2] != 8 || file[3] == 0 || file.size() < header()) {
      throw std::runtime_error(path + " is not an uncompressed IDX file of bytes");
    }
    std::size_t size = 1;
    for (std::size_t axis = 0; axis < file[3]; ++axis) {
      const unsigned char *bytes = &file[4 + 4 * axis];
      extents.push_back(int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
      size *= static_cast<std::size_t>(extents.back());
    }
    if (file.size() - header() < size) throw std::runtime_error(path + " is cut short");
  }

  std::size_t header() const { return 4 + 4 * std::size_t{file[3]}; }
  const unsigned char *elements() const { return file.data() + header(); }
};

void classify(const std::string &path, const Idx &images, const Idx &labels, uint32_t threads) {
  if (images.extents.size() != 3 || labels.extents != std::vector<int64_t>{images.extents[0]}) {
    throw std::runtime_error("images and labels do not belong together");
  }
  const apus::Model model = apus::Model::load(path);
  const apus::Pool pool = apus::Pool::create(threads);
  apus::Session session = apus::Session::create(model, pool);
  session.prepare({{1, 1, images.extents[1], images.extents[2]}});

  const apus::Span<float> pixels = session.input<float>(0);
  const unsigned char *source = images.elements();
  int64_t correct = 0;
  for (int64_t image = 0; image < images.extents[0]; ++image) {
    for (float &pixel : pixels) pixel = static_cast<float>(*source++) / 255.0f;
    session.run(std::chrono::seconds(10));
    const apus::Span<const float> logits = session.output<float>(0);
    correct += std::max_element(logits.begin(), logits.end()) - logits.begin() == labels.elements()[image];
  }
  std::cout << "accuracy: " << static_cast<double>(correct) / static_cast<double>(std::max<int64_t>(images.extents[0], 1))
            << " (" << correct << " of " << images.extents[0] << ")\n";
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) {
    std::cerr << "usage: classify MODEL IMAGES LABELS [THREADS]\n";
    return 1;
  }
  try {
    const int threads = argc == 5 ? std::atoi(argv[4]) : 1;
    classify(argv[1], Idx(argv[2]), Idx(argv[3]), threads > 0 ? static_cast<uint32_t>(threads) : 0);
    return 0;
  } catch (const apus::Error &error) {
    // The status for programs, the line for people; error.details() has operator, tensor, expected and actual apart.
    std::cerr << "classify: " << error.status_name() << ": " << error.what() << '\n';
  } catch (const std::exception &error) {
    std::cerr << "classify: " << error.what() << '\n';
  }
  return 1;
}
