// Runs the model y = 2 x + 1 of Tests/Models over [2, 3] through apus.hpp.
#include <cstdio>

#include <apus.hpp>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  try {
    apus::Model model = apus::Model::load(argv[1]);
    apus::Session session = apus::Session::create(model);
    session.prepare({{2, 3}});
    const float x[6] = {0, 1, 2, 3, 4, 5};
    session.bind_input(0, apus::Span<const float>(x));
    session.run();
    int i = 0;
    for (float y : session.output<float>(0)) {
      if (y != 2 * x[i] + 1) return 1;
      i++;
    }
    if (i != 6) return 1;
  } catch (const apus::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("y = 2 x + 1, Apus %s\n", apus_version_string());
}
