//! Field-by-field encodings from one list, so that writer and reader cannot disagree.

/// `codec_struct!(Name { a, b })`: the fields in this order.
macro_rules! codec_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $( $crate::codec::Codec::put(&self.$field, out); )*
            }

            fn get(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                Ok(Self { $( $field: $crate::codec::Codec::get(reader)? ),* })
            }
        }
    };
}

/// `codec_enum!(Name: u8 { 1 => Unit, 2 => Fields { a, b }, 3 => One(x) })`: the tag, then the
/// fields in this order. A tag is never given to another variant.
macro_rules! codec_enum {
    ($name:ident: $tag:ty {
        $( $code:literal => $variant:ident
            $( { $($field:ident),* $(,)? } )? $( ( $inner:ident ) )? ),* $(,)?
    }) => {
        impl $crate::codec::Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant $( { $($field),* } )? $( ( $inner ) )? => {
                        let code: $tag = $code;
                        $crate::codec::Codec::put(&code, out);
                        $( $( $crate::codec::Codec::put($field, out); )* )?
                        $( $crate::codec::Codec::put($inner, out); )?
                    } )*
                }
            }

            fn get(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                let tag = <$tag as $crate::codec::Codec>::get(reader)?;
                match tag {
                    $( $code => {
                        $( $( let $field = $crate::codec::Codec::get(reader)?; )* )?
                        $( let $inner = $crate::codec::Codec::get(reader)?; )?
                        Ok(Self::$variant $( { $($field),* } )? $( ( $inner ) )?)
                    } )*
                    _ => Err($crate::codec::DecodeError::UnknownTag {
                        what: stringify!($name),
                        tag: u32::from(tag),
                    }),
                }
            }
        }
    };
}

pub(crate) use {codec_enum, codec_struct};
