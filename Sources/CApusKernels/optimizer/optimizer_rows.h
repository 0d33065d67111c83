// Template: optimizer steps over elements begin ..< end of one type. The file that includes it defines ELEMENT, ROOT (its
// square root) and OPTIMIZER_NAME(name).

static void OPTIMIZER_NAME(step)(const apusk_optimizer_args *args, double rate, int64_t begin, int64_t end) {
  const ELEMENT *x = args->x, *gradient = args->gradient, *v = args->v, *h = args->h;
  ELEMENT *new_x = args->new_x, *new_v = args->new_v, *new_h = args->new_h;
  ELEMENT alpha = (ELEMENT)args->alpha, beta = (ELEMENT)args->beta, epsilon = (ELEMENT)args->epsilon;
  ELEMENT norm = (ELEMENT)args->norm, norm_post = (ELEMENT)args->norm_post, r = (ELEMENT)rate;
  ELEMENT weight = *args->count > 0 ? beta : 1;
  for (int64_t i = begin; i < end; i++) {
    ELEMENT g = norm * x[i] + gradient[i];
    switch (args->function) {
      case APUSK_OPTIMIZER_ADAGRAD: {
        ELEMENT squares = h[i] + g * g;
        new_x[i] = x[i] - r * g / (ROOT(squares) + epsilon);
        new_h[i] = squares;
        break;
      }
      case APUSK_OPTIMIZER_ADAM: {
        ELEMENT momentum = alpha * v[i] + (1 - alpha) * g;
        ELEMENT squares = beta * h[i] + (1 - beta) * g * g;
        new_x[i] = (1 - norm_post) * (x[i] - r * momentum / (ROOT(squares) + epsilon));
        new_v[i] = momentum;
        new_h[i] = squares;
        break;
      }
      default: {
        ELEMENT momentum = alpha * v[i] + weight * g;
        ELEMENT direction = args->function == APUSK_OPTIMIZER_NESTEROV ? g + alpha * momentum : momentum;
        new_x[i] = x[i] - r * direction;
        new_v[i] = momentum;
      }
    }
  }
}
