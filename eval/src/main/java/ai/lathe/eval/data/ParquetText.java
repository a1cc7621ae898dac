package ai.lathe.eval.data;

import ai.lathe.tensor.LatheException;
import java.io.Reader;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A text column of a Parquet file, read by an in-memory DuckDB that knows of nothing else. */
record ParquetText(Path file, String field) implements TextData {

  private static final String TABLE =
      " FROM read_parquet(?, hive_partitioning = false, binary_as_string = true)";

  private static final Pattern GLOB = Pattern.compile("[*?\\[]");

  @Override
  public Stream<String> documents() {
    return rows().stream();
  }

  @Override
  public Reader reader() {
    return rows().joined();
  }

  private Documents rows() {
    Connection connection = null;
    try {
      connection = DriverManager.getConnection("jdbc:duckdb:", settings());
      checkColumn(connection);
      var statement = prepare(connection, quoted(field));
      var results = statement.executeQuery();
      return new Rows(connection, statement, results);
    } catch (SQLException e) {
      close(connection);
      throw unreadable(e);
    } catch (RuntimeException e) {
      close(connection);
      throw e;
    }
  }

  private final class Rows extends Documents {
    private final Connection connection;
    private final PreparedStatement statement;
    private final ResultSet results;

    Rows(Connection connection, PreparedStatement statement, ResultSet results) {
      this.connection = connection;
      this.statement = statement;
      this.results = results;
    }

    @Override
    String read() {
      try {
        if (!results.next()) {
          return null;
        }
        var text = results.getString(1);
        return text == null ? "" : text;
      } catch (SQLException e) {
        throw unreadable(e);
      }
    }

    @Override
    public void close() {
      ParquetText.close(results);
      ParquetText.close(statement);
      ParquetText.close(connection);
    }
  }

  /** Nothing is fetched from a network, and rows come as they are read. */
  private static Properties settings() {
    var settings = new Properties();
    settings.setProperty("autoinstall_known_extensions", "false");
    settings.setProperty("autoload_known_extensions", "false");
    settings.setProperty("threads", "1");
    settings.setProperty("jdbc_stream_results", "true");
    return settings;
  }

  private void checkColumn(Connection connection) throws SQLException {
    try (var statement = prepare(connection, "*");
        var results = statement.executeQuery()) {
      var columns = results.getMetaData();
      var texts = new ArrayList<String>();
      for (int i = 1; i <= columns.getColumnCount(); i++) {
        var name = columns.getColumnName(i);
        boolean text = columns.getColumnTypeName(i).equals("VARCHAR");
        if (name.equals(field)) {
          if (!text) {
            throw new LatheException(
                file
                    + ": column '"
                    + field
                    + "' holds "
                    + columns.getColumnTypeName(i)
                    + ", no text");
          }
          return;
        }
        if (text && texts.size() < Fields.NAMED) {
          texts.add(name);
        }
      }
      throw Fields.missing(file.toString(), "column", field, texts);
    }
  }

  private PreparedStatement prepare(Connection connection, String columns) throws SQLException {
    var statement = connection.prepareStatement("SELECT " + columns + TABLE);
    // The path is a pattern to DuckDB; in a class of its own each special character is itself.
    var literal = GLOB.matcher(file.toAbsolutePath().toString()).replaceAll("[$0]");
    statement.setString(1, literal);
    return statement;
  }

  private static String quoted(String identifier) {
    return '"' + identifier.replace("\"", "\"\"") + '"';
  }

  private static void close(AutoCloseable resource) {
    try {
      if (resource != null) {
        resource.close();
      }
    } catch (Exception e) {
      throw new LatheException("cannot close the Parquet reader: " + e.getMessage(), e);
    }
  }

  private LatheException unreadable(SQLException cause) {
    var message = String.valueOf(cause.getMessage()).lines().findFirst().orElse("");
    return new LatheException(file + " cannot be read as Parquet: " + message, cause);
  }
}
