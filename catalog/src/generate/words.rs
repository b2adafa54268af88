//! Words that generated products are named with.

pub(super) const ADJECTIVES: [&str; 16] = [
    "Quiet", "Northern", "Everyday", "Folding", "Heirloom", "Harbour", "Slow", "Sunday", "Plain", "Sturdy", "Little", "Woven",
    "Field", "Evening", "Garden", "Open",
];
pub(super) const MATERIALS: [&str; 14] = [
    "Oak",
    "Linen",
    "Wool",
    "Stoneware",
    "Brass",
    "Canvas",
    "Cork",
    "Glass",
    "Birch",
    "Cotton",
    "Steel",
    "Leather",
    "Bamboo",
    "Enamel",
];
pub(super) const MAKERS: [&str; 8] =
    ["Halden & Sons", "Maro", "Studio Velt", "Brook Works", "Askja", "Tilde", "Ferro Atelier", "Common Goods"];
pub(super) const SIZES: [&str; 4] = ["Small", "Medium", "Large", "Extra large"];
pub(super) const COLOURS: [&str; 6] = ["Chalk", "Moss", "Ink", "Clay", "Sand", "Rust"];

/// A small shop: path and what hangs there.
pub(super) const SHOP: [(&str, &[&str]); 10] = [
    ("Home > Lighting", &["Table Lamp", "Floor Lamp", "Pendant", "Lantern"]),
    ("Home > Furniture", &["Stool", "Bench", "Side Table", "Shelf", "Armchair"]),
    ("Home > Textiles", &["Throw", "Cushion", "Curtain", "Rug"]),
    ("Kitchen > Tableware", &["Bowl", "Plate", "Mug", "Carafe", "Tumbler"]),
    ("Kitchen > Cooking", &["Pan", "Casserole", "Cutting Board", "Ladle"]),
    ("Garden > Pots", &["Planter", "Plant Pot", "Hanging Pot"]),
    ("Garden > Tools", &["Trowel", "Watering Can", "Pruner", "Dibber"]),
    ("Clothing > Outerwear", &["Jacket", "Overshirt", "Rain Coat", "Vest"]),
    ("Clothing > Knitwear", &["Jumper", "Cardigan", "Scarf", "Beanie"]),
    ("Travel > Bags", &["Backpack", "Tote", "Duffel", "Wash Bag"]),
];
