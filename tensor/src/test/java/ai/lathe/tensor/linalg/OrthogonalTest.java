package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Matrix;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OrthogonalTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 33, 200})
  void rowsAreOrthonormalAndFollowFromTheSeed(int n) {
    var q = Orthogonal.random(n, 7);
    var product = Matrix.zeros(n, n);
    Gemm.add(View.of(product), View.of(q), View.of(q).transposed());
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        assertThat(product.at(i, j)).isCloseTo(i == j ? 1 : 0, within(1e-6f));
      }
    }
    assertThat(Orthogonal.random(n, 7).values()).isEqualTo(q.values());
    assertThat(n == 1 || Orthogonal.random(n, 8).at(0, 0) != q.at(0, 0)).isTrue();
  }
}
