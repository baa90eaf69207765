-- What the shop should look like. Each change says what kind it is.

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, -- renamed from: fullname
  legacy_code TEXT,
  country TEXT NOT NULL DEFAULT 'NZ' -- an added column
);

CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  price TEXT NOT NULL
);
CREATE INDEX products_by_title ON products (title); -- a new index

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0), -- was TEXT: SQLite cannot do that in place, so the table is rebuilt
  note TEXT,
  placed_at TEXT NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX orders_by_day ON orders (placed_at);

-- a new table
CREATE TABLE shipments (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (id),
  sent_at TEXT
);
